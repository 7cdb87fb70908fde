"""What is on record of rebuilds: asked for, under way, done with the replaced rows kept."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from etld.config.names import PROCESSOR
from etld.erasure import records
from etld.errors import EtldError
from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier
from etld.rebuild.handler import GROUP
from etld.sinks.postgres.columns import COPIED_TYPES
from etld.sinks.postgres.partitions import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config import Config
    from etld.kafka.types import Offset
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "record")
_LONGEST_NAME = 63
State = Literal["waiting", "reading", "cancelled", "kept"]


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The rebuild of an event type; `since` None: all that Kafka holds, `cut` None: no event is too old for it."""

    event_type: str
    state: State
    since: datetime | None
    cut: datetime | None
    keep_replaced: bool


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Where an event type's records are; `offsets` is the first of each partition that is read."""

    cluster_id: str
    topic: str
    topic_id: str
    offsets: Mapping[int, Offset]


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Records that were read, those that processors are ahead, and rows of the shadow; why it stands still, or ""."""

    read: int
    behind: int
    rows: int
    halted: str


def group_of(event_type: str) -> str:
    """The consumer group of a rebuild, as the database has it."""
    return f"etld-{GROUP}{event_type}"


def replaced_table(event_type: str) -> Identifier:
    """Where the rows are that were replaced."""
    name = f"replaced_{event_type}"
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9]}_{zlib.crc32(name.encode()):08x}"
    return Identifier("etld", name)


def lock(conn: Connection) -> bool:
    """Is this session the only one that rebuilds from now on?"""
    return conn.execute(_SQL.lock).fetchone() == (True,)


def on_record(conn: Connection) -> list[Rebuild]:
    """All rebuilds: what is under way first, then what waits, in order."""
    return [Rebuild(*row) for row in conn.execute(_SQL.all)]


def ask(conn: Connection, event_types: Sequence[str], since: datetime | None, *, keep_replaced: bool) -> None:
    """Have event types rebuilt, one after the other; raises `EtldError` while something is in the way."""
    with conn.transaction():
        # An erasure looks for subjects in the table alone: none begins while a shadow, or what was replaced, has rows.
        left = records.left_over(conn)
        if conn.execute(_SQL.no_erasure).fetchone() != (True,) or left is not None:
            raise EtldError(
                "a `etld forget` is under way: when it is done, or the same command has finished it", code="ETLD-T001"
            )
        for one in on_record(conn):
            if one.state != "kept":
                raise EtldError(
                    f"a rebuild of {one.event_type} is under way: `etld rebuild` goes on with it, --cancel gives it up",
                    code="ETLD-T001",
                )
            if one.event_type in event_types:
                raise EtldError(
                    f"the rows that a rebuild of {one.event_type} replaced are still kept, in"
                    f" {replaced_table(one.event_type).as_string(None)}: `etld rebuild --drop-replaced` first",
                    code="ETLD-T001",
                )
        conn.execute(_SQL.clear)
        conn.execute(_SQL.ask, {"event_types": list(event_types), "since": since, "keep": keep_replaced})


def begin(conn: Connection, config: Config, event_type: str, since: datetime | None, source: RecordSource) -> None:
    """Make the shadow of an event type, and positions that begin at `source.offsets`."""
    group = group_of(event_type)
    where: dict[str, Any] = {
        "event_type": event_type,
        "processor": f"{PROCESSOR}{event_type}",
        "group": group,
        "cluster": source.cluster_id,
        "topic": source.topic,
        "topic_id": source.topic_id,
        "partitions": list(source.offsets),
        "offsets": list(source.offsets.values()),
    }
    with conn.transaction():
        conn.execute(_SQL.clear)
        where["cut"] = cut_of(conn, config, event_type, since)
        conn.execute(_SQL.read, where)
        conn.execute(_SQL.range, where)
        conn.execute(_SQL.positions, where)
        conn.execute(_SQL.shadow)
        for (column,) in conn.execute(_SQL.not_filled, {"copied": list(COPIED_TYPES)}).fetchall():
            conn.execute(
                SQL("ALTER TABLE etld.rebuild_event ALTER {0} DROP DEFAULT, ALTER {0} DROP NOT NULL").format(
                    Identifier(column)
                )
            )
        conn.execute(_SQL.indexes)


def cut_of(conn: Connection, config: Config, event_type: str, since: datetime | None) -> datetime | None:
    """Before which events stay as they are: those that were not asked for, or whose time is over."""
    found = [since]
    kept = (config.storage.retention, config.event_types[event_type].retention)
    found += [datetime.now(UTC) - timedelta(seconds=seconds) for seconds in kept if seconds is not None]
    if catalog.is_partitioned(conn):
        found += conn.execute(_SQL.oldest_leaf, {"late": catalog.LATE}).fetchone() or ()
    return max((one for one in found if one is not None), default=None)


def progress(conn: Connection, event_type: str) -> RebuildProgress:
    """How far the rebuild of an event type is."""
    where = {"group": group_of(event_type), "processor": f"{PROCESSOR}{event_type}"}
    row = conn.execute(_SQL.progress, where).fetchone()
    assert row is not None
    return RebuildProgress(*row)


def state(conn: Connection, event_type: str) -> State | None:
    """What of a rebuild is on record; None: nothing."""
    row = conn.execute(_SQL.state, {"event_type": event_type}).fetchone()
    return None if row is None else row[0]


def finish(conn: Connection, event_type: str, *, kept: bool) -> None:
    """It is done; in the transaction of the exchange. `kept`: the rows that were replaced are."""
    conn.execute(_SQL.done if kept else _SQL.gone, {"event_type": event_type})
    conn.execute(_SQL.clear)


def clear(conn: Connection) -> None:
    """Remove what a shadow that replaced, or was given up, has left behind."""
    with conn.transaction():
        conn.execute(_SQL.clear)


def cancel(conn: Connection) -> None:
    """Have whoever is at work stop."""
    conn.execute(_SQL.cancel)


def give_up(conn: Connection) -> None:
    """Forget what is under way, and what waits; the table is as it was."""
    with conn.transaction():
        conn.execute(_SQL.give_up)
        conn.execute(_SQL.clear)


def drop_replaced(conn: Connection) -> list[str]:
    """Drop the rows that were replaced; of which event types."""
    dropped = []
    with conn.transaction():
        for one in on_record(conn):
            if one.state == "kept":
                conn.execute(SQL("DROP TABLE IF EXISTS {}").format(replaced_table(one.event_type)))
                conn.execute(_SQL.gone, {"event_type": one.event_type})
                dropped.append(one.event_type)
    return dropped
