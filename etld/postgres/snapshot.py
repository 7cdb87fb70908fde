"""Several queries that see one moment."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.connections import Connection


@contextmanager
def snapshot(conn: Connection) -> Iterator[None]:
    """A transaction that only reads, and sees the database as it was at its first query, whatever others commit.

    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
