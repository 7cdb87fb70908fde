"""What is inside the transaction and the side connection of this sink, for modules that hold SQL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.sinks.base import SideConnection, SinkError, Transaction
from etld.sinks.postgres.positions import UNKNOWN_TABLE
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import EventRows, StoredRows, Verdict
    from etld.sinks.postgres.deduplication.known_ids import KnownIds
    from etld.sinks.postgres.positions import EventTable


class PostgresTransaction(Transaction):
    """A transaction that has moved its positions, and found `table` so; `known_ids` are the writer's."""

    def __init__(self, cursor: Cursor, known_ids: KnownIds | None = None, table: EventTable = UNKNOWN_TABLE) -> None:
        self.cursor = cursor
        self._known_ids = known_ids
        self.table = table

    def write_events(self, rows: EventRows, verdict: Verdict | None) -> StoredRows | None:
        """COPY at first; then, in a slower way, only what is not stored yet and PostgreSQL takes."""
        # Frames come with it, which those who write no events do without.
        from etld.sinks.postgres import event_rows
        from etld.sinks.postgres.deduplication.known_ids import KnownIds

        return event_rows.write(self.cursor, rows, verdict, self._known_ids or KnownIds(), self.table)


class PostgresSide(SideConnection):
    """A connection in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


def cursor_of(transaction: Transaction) -> Cursor:
    """The cursor of an open write; raises TypeError for another sink's."""
    if not isinstance(transaction, PostgresTransaction):
        raise TypeError(f"{type(transaction).__name__} is not PostgreSQL's")
    return transaction.cursor


def erasures_of(transaction: Transaction) -> int:
    """The number of the last erasure step that an open write has to know; 0: there was none."""
    return transaction.table.erasures if isinstance(transaction, PostgresTransaction) else 0


def connection_of(side: SideConnection) -> Connection:
    """The connection beside the batches; raises TypeError for another sink's."""
    if not isinstance(side, PostgresSide):
        raise TypeError(f"{type(side).__name__} is not PostgreSQL's")
    return side.connection


@contextmanager
def as_sink_errors(*others: type[Exception]) -> Iterator[None]:
    """Errors of PostgreSQL, and `others`, come out of the body as `SinkError`."""
    caught: tuple[type[Exception], ...] = (DatabaseError, *others)
    try:
        yield
    except EtldError:
        raise
    except caught as error:
        state = sqlstate(error)
        text = one_line(error) or type(error).__name__
        raise SinkError(text, classify(error), f"SQLSTATE {state}" if state else "") from error
