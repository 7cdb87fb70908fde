"""The BRINs of the partitions, such as that of the times, kept up with the rows that come.

A BRIN knows nothing of blocks that are new since the last VACUUM of the table, which is when a fifth of it is new: a
query has to read all of these, whatever it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "block_ranges")


class BlockRanges:
    """Tells them of new blocks, wherever something was written since the last time."""

    def __init__(self) -> None:
        #: The version of each partition that is done: not of the newest one that is written, which grows.
        self._done: dict[str, int] = {}

    def follow(self, conn: Connection) -> None:
        """Do what is due; raises the database's errors, 55P03 when VACUUM or ANALYZE is at work there."""
        written = conn.execute(_SQL.written).fetchall()
        for at, (name, version, indexes) in enumerate(written, 1):
            if self._done.get(name) == version:
                continue
            for index in indexes:
                with conn.transaction():
                    conn.execute(_SQL.hurry)
                    conn.execute(_SQL.summarize, {"index": index})
            if at < len(written):
                self._done[name] = version
