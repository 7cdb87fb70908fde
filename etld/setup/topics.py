"""The topics of a configuration: made when they are missing, checked when they are there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.kafka.admin import Admin
    from etld.kafka.types import Topic

log = logging.getLogger("etld.setup")

_LETTER_PARTITIONS = 3
# Dead and parked events wait for a person: Kafka must not throw them away.
_FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}
# A letter is a record as it was, which may be as large as Kafka takes by default, and headers that say why.
_LETTER_BYTES = 8 << 20
_MOST_REPLICAS = 3


class UnusableTopic(EtldError):
    """A topic is there, and etld cannot work with it as it is."""


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic as etld makes it."""

    name: str
    partitions: int
    config: Mapping[str, str]


def wanted(config: Config, replicas: int) -> list[WantedTopic]:
    """The topics of the event types, the dead letters and the parked events."""
    # With two replicas, one broker that is away would stop every acknowledgement.
    shared = {"min.insync.replicas": "2" if replicas >= _MOST_REPLICAS else "1", "cleanup.policy": "delete"}
    events = [WantedTopic(kind.topic, kind.partitions, shared) for kind in config.event_types.values()]
    size = {"max.message.bytes": str(max(_LETTER_BYTES, config.ingest.max_event + (1 << 20)))}
    kept = shared | _FOREVER | size
    kafka = config.kafka
    letters = [WantedTopic(name, _LETTER_PARTITIONS, kept) for name in (kafka.dead_letter_topic, kafka.parked_topic)]
    return events + letters


def ensure(admin: Admin, config: Config) -> None:
    """Create what is missing and check the rest; raises `KafkaProblem` and `UnusableTopic`."""
    replicas = config.kafka.replication or min(_MOST_REPLICAS, admin.brokers())
    topics = wanted(config, replicas)
    there = admin.topics([topic.name for topic in topics])
    for topic in topics:
        found = there.get(topic.name)
        if found is not None:
            check(topic, found, admin.topic_config(topic.name), config.ingest.max_event)
        elif admin.create_topic(topic.name, topic.partitions, replicas, topic.config):
            log.info("created topic %s: %d partitions, %d replicas", topic.name, topic.partitions, replicas)


def check(topic: WantedTopic, found: Topic, settings: Mapping[str, str], max_event: int) -> None:
    """Warn of what differs, raise `UnusableTopic` for what would lose events or refuse them."""
    if found.partitions != topic.partitions and "retention.ms" not in topic.config:
        log.warning(
            "topic %s has %d partitions, event_types.*.partitions says %d; left as it is",
            topic.name,
            found.partitions,
            topic.partitions,
        )
    if "compact" in settings.get("cleanup.policy", ""):
        raise UnusableTopic(
            f"topic {topic.name} is compacted (cleanup.policy={settings['cleanup.policy']}): Kafka would drop"
            " records that share a key. Set cleanup.policy=delete, or name another topic."
        )
    largest = int(settings.get("max.message.bytes", "") or 2**31)
    if largest < max_event:
        raise UnusableTopic(
            f"topic {topic.name} takes records of {largest} bytes at most (max.message.bytes), and"
            f" ingest.max_event is {max_event}: raise the one or lower the other."
        )
    wished = int(topic.config.get("max.message.bytes", "0"))
    if largest < wished:
        log.warning(
            "topic %s takes records of %d bytes at most (max.message.bytes); a dead letter that is larger waits in"
            " PostgreSQL until that is raised, %d is a good value",
            topic.name,
            largest,
            wished,
        )
    retention = int(settings.get("retention.ms", "") or -1)
    if "retention.ms" in topic.config and retention >= 0:
        log.warning(
            "topic %s keeps records for %.1f days only (retention.ms); dead letters older than that are gone"
            " from Kafka, though not from etld.dead_letter",
            topic.name,
            retention / 86_400_000,
        )
