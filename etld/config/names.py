"""The names of topics and consumer groups. In Kafka each stands behind `[kafka] prefix`.

The database has consumer groups by their names without the prefix, so that a daemon whose prefix changes still knows
what its own have done.
"""

from __future__ import annotations

DEAD_LETTER_TOPIC, PARKED_TOPIC = "dead_letter_queue", "parked_events"
#: Consumer groups; a processor's has the event type behind it.
PROCESSOR, AGGREGATOR, CORRECTOR = "etld-processor-", "etld-aggregator", "etld-corrector"
#: Likewise of the lake.
LAKE = "etld-lake-"


def event_topic(event_type: str) -> str:
    """The topic of an event type that names none."""
    return f"event_{event_type}"
