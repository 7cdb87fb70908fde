"""The life of one event, from its acceptance to its row or its dead letter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etld.deadletters.letter_headers import REPAIR_OF
from etld.kafka.errors import KafkaProblem
from etld.kafka.reader import read_one
from etld.kafka.types import Partition
from etld.postgres import statements
from etld.reconcile.fate import fate
from etld.reconcile.without_row import Looking
from etld.sinks.postgres import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from etld.config import Config
    from etld.kafka.types import Record
    from etld.postgres.connections import Connection
    from etld.reconcile.fate import Fate
    from etld.worker import Addresses

_SQL = statements.load(__package__, "trace")


@dataclass
class EventLife:
    """What is known of an event.

    `queue`: the topic of dead letters. `stored`: its row, with the topic that it came from. `dead_letters`: oldest
    first, each with its attempts as "tries". `outbox`: dead letters that are yet to go to the dead letter queue.
    `kafka`: whether Kafka still holds the row's record, in words; None without a row. `elsewhere`: what became of it
    without a row and a dead letter. `accepted` and `resent` are when Kafka took the record of the event and that of
    its repair.
    """

    event_id: str
    queue: str
    stored: dict[str, Any] | None
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    accepted: datetime | None = None
    resent: datetime | None = None
    kafka: str | None = None
    elsewhere: Fate | None = None

    @property
    def known(self) -> bool:
        """Is there any trace of it?"""
        return self.fate != "unknown"

    @property
    def fate(self) -> str:
        """What became of it, in one word: as `Fate` has it, or stored, or dead."""
        if self.stored:
            return "stored"
        if self.dead_letters or self.outbox:
            tries = self.dead_letters[-1]["tries"] if self.dead_letters else ()
            return "filtered" if tries and tries[-1]["outcome"] == "filtered" else "dead"
        return "unknown" if self.elsewhere is None else self.elsewhere.name

    def as_json(self) -> dict[str, Any]:
        """The shape that programs rely on."""
        return {
            "event_id": self.event_id,
            "fate": self.fate,
            **({} if self.elsewhere is None else {"fate_text": self.elsewhere.text}),
            "accepted": _iso(self.accepted),
            "resent": _iso(self.resent),
            "stored": self.stored,
            "dead_letters": self.dead_letters,
            "outbox": self.outbox,
            **({} if self.kafka is None else {"kafka": self.kafka}),
        }


def trace(
    connect: Callable[[], AbstractContextManager[Connection]],
    config: Config,
    addresses: Addresses,
    kafka_settings: Mapping[str, Any],
    event_id: str,
) -> EventLife:
    """The life of an event, by the canonical form of its id, or by that of one of its dead letters.

    Raises psycopg errors; what Kafka does not tell is missing from it.
    """
    with connect() as conn:
        row, letters, outbox = read_rows.one(conn, event_id), _letters(conn, event_id), _outbox(conn, event_id)
        life = EventLife(event_id, config.kafka.dead_letter_topic, row, letters, outbox)
        if not (life.stored or life.dead_letters or life.outbox):
            life.elsewhere = fate(Looking(conn, config, addresses), kafka_settings, event_id)
            life.accepted = None if life.elsewhere.record is None else life.elsewhere.record.timestamp
            return life
    accepted = [_accepted(kafka_settings, letter) for letter in (life.dead_letters or life.outbox)[:1]]
    if row is not None and row["event_type"] in config.event_types:
        row["topic"] = config.event_types[row["event_type"]].topic
        life.kafka, record = _read(kafka_settings, row["topic"], row["kafka_partition"], row["kafka_offset"])
        if record is not None and REPAIR_OF in dict(record.headers):
            life.resent = record.timestamp
        elif record is not None:
            accepted.append(record.timestamp)
    life.accepted = min((moment for moment in accepted if moment), default=None)
    return life


def _letters(conn: Connection, event_id: str) -> list[dict[str, Any]]:
    found = _records(conn, _SQL.letters_of_event, {"event_id": event_id})
    for letter in found:
        letter["tries"] = _records(conn, _SQL.attempts, {"id": letter["id"]})
    return found


def _outbox(conn: Connection, event_id: str) -> list[dict[str, Any]]:
    return _records(conn, _SQL.outbox_of_event, {"event_id": event_id})


def _records(conn: Connection, statement: bytes, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    cur = conn.execute(statement, parameters)
    names = [column.name for column in cur.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cur.fetchall()]


def _accepted(kafka_settings: Mapping[str, Any], letter: dict[str, Any]) -> datetime | None:
    """A processor's letter names the record that it read; ingest's is itself what was accepted."""
    if letter["topic"] is None or letter["off"] is None:
        queued: datetime | None = letter.get("queued_at")
        return queued
    _, record = _read(kafka_settings, letter["topic"], letter["part"], letter["off"])
    return None if record is None else record.timestamp


def _read(kafka_settings: Mapping[str, Any], topic: str, partition: int, offset: int) -> tuple[str, Record | None]:
    """What to say of a record, and the record, if Kafka still has it."""
    try:
        record = read_one(dict(kafka_settings), Partition(topic, partition), offset)
    except KafkaProblem as error:
        return str(error), None
    return "held" if record else "deleted by retention, or the topic was made anew", record


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(sep=" ") if moment else None
