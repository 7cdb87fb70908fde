"""The steps of a life, and each as a line."""

from __future__ import annotations

from datetime import UTC, datetime

from etld.reconcile.timeline import steps
from etld.reconcile.trace import EventLife

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_repaired_event_tells_all_of_its_way() -> None:
    """In the order in which it happened, with the reason of each failure beside it."""
    letter = {
        "id": "l1", "state": "resolved", "reason": "stored", "error_class": "ValidationError",
        "error": "price: no number",
        "topic": "event_purchase", "part": 1, "off": 7, "queue_part": 0, "queue_off": 3, "created_at": AT,
        "tries": [{"attempt": 1, "rule": "cast", "error": None, "outcome": "sent", "at": AT}],
    }  # fmt: skip
    row = {
        "topic": "event_purchase", "kafka_partition": 1, "kafka_offset": 9, "processed_at": AT,
        "event_type": "purchase", "event_name": "paid",
    }  # fmt: skip
    life = EventLife("e1", "dead_letter_queue", row, [letter], accepted=AT, resent=AT)
    assert [step.line() for step in steps(life)] == [
        "accepted  2026-03-01 12:00:00+00:00",
        "dead      2026-03-01 12:00:00+00:00 at event_purchase:1 offset 7: ValidationError: price: no number",
        "in Kafka  dead_letter_queue:0 offset 3",
        "attempt 1 2026-03-01 12:00:00+00:00 rule cast → sent",
        "letter    l1 is resolved (stored)",
        "resent    2026-03-01 12:00:00+00:00",
        "in Kafka  event_purchase:1 offset 9",
        "stored    2026-03-01 12:00:00+00:00 as purchase paid",
    ]
