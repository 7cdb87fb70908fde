"""The life of an event as steps, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from etld.reconcile.trace import EventLife

_LETTER = "letter"


@dataclass(frozen=True, slots=True)
class LifeStep:
    """One thing that happened to an event: `label` says what, `text` the rest.

    `error` is why; it may hold parts of the event. `letter` is the id of the dead letter that it is about.
    """

    label: str
    at: datetime | None
    text: str = ""
    error: str = ""
    letter: str = ""

    def line(self) -> str:
        """In one line."""
        why = f" ({self.error})" if self.label == _LETTER else f": {self.error}"
        parts = (str(self.at) if self.at else "", self.text, why if self.error else "")
        return f"{self.label:<9} {''.join(parts).strip()}"


def steps(life: EventLife) -> list[LifeStep]:
    """What is known of the event, in the order in which it happened."""
    found = [LifeStep("accepted", life.accepted)] if life.accepted else []
    for letter in life.dead_letters:
        found += _of_letter(letter, life.queue)
    for letter in life.outbox:
        found.append(_dead(letter))
        text = f"{letter['id']} waits in etld.dlq_outbox to be sent to {life.queue}"
        found.append(LifeStep(_LETTER, None, text, letter=letter["id"]))
    row = life.stored
    if row is not None:
        if life.resent:
            found.append(LifeStep("resent", life.resent))
        place = f"{row.get('topic', '?')}:{row['kafka_partition']} offset {row['kafka_offset']}"
        found.append(LifeStep("in Kafka", None, place))
        found.append(LifeStep("stored", row["processed_at"], f" as {row['event_type']} {row['event_name']}"))
    if life.elsewhere is not None:
        record = life.elsewhere.record
        if record is not None:
            found.append(LifeStep("in Kafka", None, f"{record.partition} offset {record.offset}"))
        found.append(LifeStep(life.elsewhere.name, None, life.elsewhere.text))
    return found


def _of_letter(letter: dict[str, Any], queue: str) -> Iterator[LifeStep]:
    yield _dead(letter)
    if letter["queue_off"] is not None:
        yield LifeStep("in Kafka", None, f"{queue}:{letter['queue_part']} offset {letter['queue_off']}")
    for attempt in letter["tries"]:
        text = f" rule {attempt['rule'] or '-'} → {attempt['outcome']}"
        yield LifeStep(f"attempt {attempt['attempt']}", attempt["at"], text, attempt["error"] or "", letter["id"])
    yield LifeStep(_LETTER, None, f"{letter['id']} is {letter['state']}", letter["reason"] or "", letter["id"])


def _dead(letter: dict[str, Any]) -> LifeStep:
    where = "" if letter["off"] is None else f" at {letter['topic']}:{letter['part']} offset {letter['off']}"
    error = f"{letter['error_class']}: {letter['error']}"
    return LifeStep("dead", letter["created_at"], where, error, letter["id"])
