"""The topics of a configuration: made when they are missing, checked when they are there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.config.names import CORRECTOR
from etld.erasure import records
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.kafka.admin import Admin
    from etld.kafka.types import Topic
    from etld.postgres.connections import Connection

log = logging.getLogger("etld.setup")

_LETTER_PARTITIONS = 3
_RETENTION = "retention.ms"
_FOREVER = "-1"
# A letter is a record as it was, which may be as large as Kafka takes by default, and headers that say why.
_LETTER_BYTES = 8 << 20
_MOST_REPLICAS = 3


class UnusableTopic(EtldError):
    """A topic is there, and etld cannot work with it as it is."""

    code = "ETLD-K004"


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
    # By time alone: nothing goes because there is much of it.
    kept = shared | {_RETENTION: retention_ms(config), "retention.bytes": _FOREVER} | size
    kafka = config.kafka
    letters = [WantedTopic(name, _LETTER_PARTITIONS, kept) for name in (kafka.dead_letter_topic, kafka.parked_topic)]
    return events + letters


def retention_ms(config: Config) -> str:
    """How long the topics of letters keep records, as Kafka writes it."""
    seconds = config.kafka.letter_retention
    return _FOREVER if seconds is None else str(round(seconds * 1000))


def letters_read(admin: Admin, config: Config, conn: Connection) -> bool:
    """Has the corrector every record of the dead letter queue, so that Kafka may throw old ones away?"""
    found = admin.topics([config.kafka.dead_letter_topic])
    positions = records.positions(conn, admin.cluster_id())
    nexts = {(topic_id, number): offset for group, _, topic_id, number, offset in positions if group == CORRECTOR}
    return all(
        nexts.get((topic.topic_id, number), low) >= high
        for topic in found.values()
        for number, (low, high) in admin.watermarks(topic.name, range(topic.partitions)).items()
    )


def ensure(admin: Admin, config: Config, *, letters_read: bool) -> None:
    """Create what is missing and check the rest; raises `KafkaProblem` and `UnusableTopic`.

    Topics of letters that keep records for ever, as earlier versions made them, are told otherwise if `letters_read`.
    """
    replicas = config.kafka.replication or min(_MOST_REPLICAS, admin.brokers())
    topics = wanted(config, replicas)
    there = admin.topics([topic.name for topic in topics])
    for topic in topics:
        found = there.get(topic.name)
        if found is not None:
            settings = admin.topic_config(topic.name)
            check(topic, found, settings, config.ingest.max_event)
            wanted_ms = topic.config.get(_RETENTION, _FOREVER)
            if letters_read and settings.get(_RETENTION) == _FOREVER != wanted_ms:
                admin.set_topic_config(topic.name, {_RETENTION: wanted_ms})
                log.info("topic %s kept records for ever, and keeps them for %s ms now", topic.name, wanted_ms)
        elif admin.create_topic(topic.name, topic.partitions, replicas, topic.config):
            log.info("created topic %s: %d partitions, %d replicas", topic.name, topic.partitions, replicas)


def check(topic: WantedTopic, found: Topic, settings: Mapping[str, str], max_event: int) -> None:
    """Warn of what differs, raise `UnusableTopic` for what would lose events or refuse them."""
    if found.partitions != topic.partitions and _RETENTION not in topic.config:
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
