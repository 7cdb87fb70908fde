"""Why a record that its processor has read has no row: look-ups by index alone, however large the table is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from etld.config.names import AGGREGATOR
from etld.deadletters.decode import decode
from etld.deadletters.letter_headers import DEAD_LETTER_ID
from etld.erasure import records
from etld.erasure.arrival import Erasures
from etld.errors import EtldError
from etld.postgres import statements
from etld.schemas.registry import open_schemas
from etld.serdes import formats
from etld.sinks.postgres.partitions import catalog

if TYPE_CHECKING:
    from etld.config import Config
    from etld.kafka.types import Record
    from etld.postgres.connections import Connection
    from etld.worker import Addresses

_SQL = statements.load(__package__, "trace")

Why = Literal["expired", "forgotten", "deleted", "filtered", "unclear"]


@dataclass(frozen=True, slots=True)
class Looking:
    """Where to look: the database, the configuration, and the addresses that are in force."""

    conn: Connection
    config: Config
    addresses: Addresses


def why(at: Looking, record: Record, event_type: str, event_id: str, *, any_filtered: bool) -> Why:
    """`any_filtered`: has the transform left out a record of its partition at all? Raises psycopg errors.

    "deleted": it was stored, and nobody of etld has removed it. "unclear": filtered or deleted.
    """
    if _is_forgotten(at, record):
        return "forgotten"
    if _is_expired(at, record, event_type):
        return "expired"
    if not any_filtered or at.conn.execute(_SQL.is_counted, {"event_id": event_id}).fetchone() == (True,):
        return "deleted"
    return "filtered" if _would_be_counted(at, record) else "unclear"


def letter_is_forgotten(conn: Connection, record: Record) -> bool:
    """Was the dead letter that this record of the dead letter queue is erased?"""
    number = dict(record.headers).get(DEAD_LETTER_ID)
    try:
        letter = str(UUID((number or b"").decode()))
    except ValueError:  # a stranger's
        return False
    with conn.cursor() as cur:
        return bool(records.forgotten_letters(cur, [letter]))


def _is_forgotten(at: Looking, record: Record) -> bool:
    if record.timestamp is None or not records.any_on_record(at.conn):
        return False
    header = dict(record.headers).get(formats.SCHEMA_HEADER)
    try:
        erasures = Erasures(at.config.erasure_key_path)
        erasures.load(at.conn)
        schemas = open_schemas(at.config, at.addresses)
        event = decode(record.value, schemas, None if header is None else header.decode(errors="replace")).event
    except EtldError:
        return False  # without the key, or the registry, nobody can tell
    return event is not None and erasures.letter(event, int(record.timestamp.timestamp() * 1000))


def _is_expired(at: Looking, record: Record, event_type: str) -> bool:
    accepted = record.timestamp
    if accepted is None:
        return False
    storage, own = at.config.storage, at.config.event_types[event_type].retention
    kept = [seconds for seconds in (storage.retention, own) if seconds is not None]
    if kept and accepted < datetime.now(UTC) - timedelta(seconds=min(kept)):
        return True
    # Dropped before `retention` was made longer, perhaps.
    leaves = catalog.read(at.conn) if catalog.is_partitioned(at.conn) else []
    whole = [leaf for leaf in leaves if leaf.name != catalog.LATE]
    return bool(whole) and whole[0].lower is not None and accepted < whole[0].lower and len(whole) < len(leaves)


def _would_be_counted(at: Looking, record: Record) -> bool:
    """Would the aggregator know the event, had it not been filtered?"""
    config = at.config
    window = timedelta(seconds=min(config.aggregator.dedup_window, config.storage.dedup_window))
    if record.timestamp is None or record.timestamp < datetime.now(UTC) - window:
        return False
    where = {"group": AGGREGATOR, "topic": record.partition.topic, "partition": record.partition.number}
    position = at.conn.execute(_SQL.position, where).fetchone()
    return position is not None and position[0] > record.offset
