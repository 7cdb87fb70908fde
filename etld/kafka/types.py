"""Kafka's nouns as etld's own values: no object of the client library leaves this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: The number of a record in its partition.
Offset = int


class Partition(NamedTuple):
    """One partition of a topic; sorts by topic, then number."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.number}"


class Watermarks(NamedTuple):
    """`low` is the first offset that a partition still keeps, `high` the one after its last record."""

    low: Offset
    high: Offset


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the cluster describes it: its id, how many partitions, replicas of the first one."""

    name: str
    topic_id: str
    partitions: int
    replicas: int


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a consumer group that Kafka counts as alive; `instance` is its static id, "" without one."""

    group: str
    instance: str
    client_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka holds it.

    `timestamp` is its producer's (or the broker's, where the topic is set so), or None.
    """

    partition: Partition
    offset: Offset
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: datetime | None
