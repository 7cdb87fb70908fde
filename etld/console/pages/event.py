"""The life of one event."""

from __future__ import annotations

import threading
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etld.console.asked import BadValue
from etld.console.page import Field, Page
from etld.console.render import texts
from etld.errors import EtldError
from etld.reconcile.timeline import steps
from etld.reconcile.trace import trace

if TYPE_CHECKING:
    from etld.console.page import View
    from etld.console.sources import Sources

#: Where an event is nowhere else, all of Kafka's topics are looked through: for so many at once, others wait.
_LOOKING = threading.BoundedSemaphore(2)
_PATIENCE = 5.0


def _data(sources: Sources, view: View) -> dict[str, Any]:
    given = view.values["event_id"]
    try:
        event_id = str(uuid.UUID(given))
    except ValueError:
        raise BadValue(texts()["events"]["bad_id"].format(id=given)) from None
    if not _LOOKING.acquire(timeout=_PATIENCE):
        raise EtldError(texts()["event"]["busy"], code="ETLD-U010")
    try:
        # No transaction: it would stand idle, and be ended, while Kafka is looked through.
        life = trace(sources.connection, sources.config, sources.addresses, sources.kafka_settings(), event_id)
    finally:
        _LOOKING.release()
    timeline = [asdict(step) for step in steps(life)]
    for step in timeline:
        # An error says what it found, which is a part of the event.
        step["error"] = step["error"] if view.payloads or not step["error"] else texts()["events"]["hidden"]
    stored = life.stored
    if stored is not None and not view.payloads:
        stored = {name: value for name, value in stored.items() if name not in ("user_details", "event_details")}
    return {
        "event_id": event_id,
        "fate": life.fate,
        "steps": timeline,
        "kafka": life.kafka,
        "stored": stored,
        "payloads": view.payloads,
    }


PAGE = Page(
    name="event",
    path="/events/{event_id}",
    description="What became of one event, step by step.",
    data=_data,
    fields=(Field("event_id", "The event's id, or that of one of its dead letters.", required=True),),
)
