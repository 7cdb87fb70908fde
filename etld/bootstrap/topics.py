"""Topics: made when they are missing, looked at when they are there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.events.deadletter import DEAD_LETTER_TOPIC, PARKED_TOPIC
from etld.kafka.errors import KafkaProblem

if TYPE_CHECKING:
    from etld.config import Config
    from etld.kafka import Admin
    from etld.kafka.admin import Topic

log = logging.getLogger("etld.setup")

_FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}
_DEAD_LETTER_PARTITIONS = 3


def ensure_topics(admin: Admin, config: Config) -> dict[str, Topic]:
    """Create what is missing, warn of what differs; every topic by name. Raises `KafkaProblem`."""
    wanted = {kind.topic: (kind.partitions, {}) for kind in config.event_types.values()}
    for name in (DEAD_LETTER_TOPIC, PARKED_TOPIC):
        wanted[name] = (_DEAD_LETTER_PARTITIONS, _FOREVER)
    replicas = config.kafka.replication or min(3, admin.brokers())
    present = admin.topics(wanted)
    for name, (partitions, settings) in wanted.items():
        found = present.get(name)
        if found is None:
            both = {**settings, **({"min.insync.replicas": "2"} if replicas >= 3 else {})}
            if admin.create_topic(name, partitions, replicas, both):
                log.info("made topic %s: %d partitions, %d replicas", name, partitions, replicas)
        elif found.partitions < partitions:
            log.warning(
                "topic %s has %d partitions, the configuration says %d: add them with Kafka's tools,"
                " or correct event_types.*.partitions",
                name,
                found.partitions,
                partitions,
                extra={"topic": name},
            )
    present = admin.topics(wanted)
    missing = sorted(set(wanted) - set(present))
    if missing:
        raise KafkaProblem(f"topic {missing[0]} was made, and Kafka does not know it yet")
    return present
