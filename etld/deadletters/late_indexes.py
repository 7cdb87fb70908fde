"""Indexes of dead letters that are made beside the work, where letters were there before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier
from etld.postgres.connections import PooledConnection
from etld.postgres.errors import DatabaseProblem

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "late_indexes")
_MADE_BY = {
    "dead_letter_event": _SQL.dead_letter_event,
    "dead_letter_error_group": _SQL.dead_letter_error_group,
    "dead_letter_attempt_user": _SQL.dead_letter_attempt_user,
    "dead_letter_attempt_rule": _SQL.dead_letter_attempt_rule,
}


def make(conn: Connection) -> list[str]:
    """Make those that are missing, without keeping anybody waiting; their names. None while another process is at it.

    It may take minutes; what is left of one that was broken off is made anew. `conn` is in autocommit mode, without
    limits of time, and of no further use: its end gives the lock back.
    """
    if not _missing(conn):
        return []
    if isinstance(conn, PooledConnection):
        raise DatabaseProblem(
            "an index is made without keeping anybody waiting in a session only: postgres.direct_dsn", code="ETLD-P007"
        )
    row = conn.execute(_SQL.try_lock).fetchone()
    if not (row and row[0]):
        return []
    missing = _missing(conn)
    for name, left in missing.items():
        if left:
            conn.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier("etld", name)))
        conn.execute(_MADE_BY[name])
    return list(missing)


def _missing(conn: Connection) -> dict[str, bool]:
    """The indexes that cannot be used, and whether something of each is left."""
    states = {name: conn.execute(_SQL.state, {"name": name}).fetchone() for name in _MADE_BY}
    return {name: row is not None for name, row in states.items() if not (row and row[0])}
