"""What others may do with a relation, kept while it is made anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "grants")


@contextmanager
def kept(conn: Connection, relation: str) -> Iterator[None]:
    """Give again, after the block, what was granted on `relation` before it; those of columns that are gone are, too.

    `relation` is a name as SQL has it, of one that need not be there.
    """
    before = conn.execute(_SQL.grants, {"relation": relation}).fetchall()
    yield
    if before:
        columns = {name for (name,) in conn.execute(_SQL.columns, {"relation": relation})}
        for statement, column in before:
            if column is None or column in columns:
                conn.execute(SQL(statement))  # made by format
