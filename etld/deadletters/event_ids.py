"""The event ids of letters that an earlier version kept as text: moved to the uuid's column, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.connections import PooledConnection
from etld.postgres.errors import DatabaseProblem

if TYPE_CHECKING:
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "event_ids")
_NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class IdPage:
    """Where the move has come to, by text and id of the letter; the default is the beginning."""

    text: str = ""
    id: str = _NO_ID


def move(cur: Cursor, after: IdPage, limit: int) -> tuple[IdPage | None, int]:
    """Move the ids that are UUIDs of the next `limit` letters: (the page after, None at the end; how many were moved).

    Texts that are no UUID stay. Letters that others are at are left out: their turn comes with the next beginning.
    """
    row = cur.execute(_SQL.move, {"after_text": after.text, "after_id": after.id, "limit": limit}).fetchone()
    if row is None:
        return None, 0
    text, letter_id, seen, moved = row
    return (IdPage(text, letter_id) if seen == limit else None), moved


def make_index(conn: Connection) -> bool:
    """Index the ids, without keeping anybody waiting; False: it was there, or another process is at it.

    It may take minutes; what is left of one that was broken off is made anew. `conn` is in autocommit mode, without
    limits of time, and of no further use: its end gives the lock back.
    """
    if _one(conn, _SQL.index_state) is True:
        return False
    if isinstance(conn, PooledConnection):
        raise DatabaseProblem("an index is made without keeping anybody waiting in a session only: postgres.direct_dsn")
    if not _one(conn, _SQL.try_lock):
        return False
    valid = _one(conn, _SQL.index_state)
    if valid is True:
        return False
    if valid is False:
        conn.execute(_SQL.drop_index)
    conn.execute(_SQL.make_index)
    return True


def _one(conn: Connection, statement: bytes) -> object:
    row = conn.execute(statement).fetchone()
    return row[0] if row else None
