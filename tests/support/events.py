"""Valid events: as clients send them, and as Avro takes them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

WHEN = "2026-01-31T12:00:00.123456Z"

_DETAILS: dict[str, tuple[str, dict[str, Any]]] = {
    "purchase": ("payment_successful", {"item_id": 1, "item_name": "lamp", "price": 12.5}),
    "order": ("order_placed", {"order_id": 1, "order_value": 20.0}),
    "delivery": ("order_shipped", {"tracking_id": "T1", "carrier": "DHL"}),
}


def event(kind: str = "purchase", details: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An event of one of the three shipped types, without an event_id; some details and fields replaced."""
    name, usual = _DETAILS[kind]
    return {
        "event_name": name,
        "event_type": kind,
        "triggered_at": WHEN,
        "user_details": {"user_id": 7},
        "event_details": {**usual, **(details or {})},
        **changes,
    }


def purchase(**details: Any) -> dict[str, Any]:
    """A purchase with an event_id of its own, and some of its details replaced."""
    return {"event_id": str(uuid.uuid4()), **event("purchase", details)}


def as_avro(sent: dict[str, Any]) -> dict[str, Any]:
    """The event as the shipped schemas' encoder takes it: microseconds since 1970, every user field there."""
    when = sent["triggered_at"]
    if isinstance(when, str):
        when = micros(dt.datetime.fromisoformat(when))
    user = {"name": None, "email": None, "country": None, "anonymous_id": None, **sent["user_details"]}
    return {**sent, "triggered_at": when, "user_details": user}


def micros(when: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def numbered_purchase(number: int, item_name: str = "lamp") -> dict[str, Any]:
    """A purchase as Avro has it: its id, time, user and item tell its number."""
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_name": "added_to_cart",
        "event_type": "purchase",
        "triggered_at": 1_700_000_000_000_000 + number,
        "user_details": {"user_id": number, "name": None, "email": "a@b.c", "country": "DE", "anonymous_id": None},
        "event_details": {"item_id": number, "item_name": item_name, "price": 1.5},
    }
