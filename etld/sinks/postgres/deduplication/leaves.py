"""The leaves of the table of events, as a batch finds them in its transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etld.postgres import statements
from etld.postgres.compose import Identifier

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "leaves")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One partition, or the whole table where it has none; times in microseconds since 1970.

    `lower` None: from ever; `upper` None: the whole table, for ever. `version` tells apart what it held at different
    moments, 0: nothing yet. In the table that there was before there were partitions, the rows of whose times nobody
    knows count as of the moment `taken_over`.
    """

    schema: str
    name: str
    oid: int = 0
    lower: int | None = None
    upper: int | None = None
    version: int = 0
    taken_over: int | None = None
    current: bool = False

    @property
    def table(self) -> Identifier:
        """Its name in SQL."""
        return Identifier(self.schema, self.name)


#: The only one of a table that has no partitions.
WHOLE_TABLE: Final = Leaf("public", "processed_events")


def enter(cur: Cursor, lowest: int, highest: int, window: float, *, alone: bool) -> tuple[list[Leaf], bool]:
    """The leaves that may have an event of times from `lowest` to `highest` within `window` seconds, oldest first.

    True as well when the batch is alone with them until the end of its transaction; `alone` asks for it.
    """
    cur.execute(_SQL.enter, {"lowest": lowest, "highest": highest, "window": window, "alone": alone})
    rows = cur.fetchall()
    return [Leaf(*row[:-1]) for row in rows], any(row[-1] for row in rows)


def change(cur: Cursor, leaves: Collection[Leaf]) -> None:
    """Give leaves that are written a new version; the batch must be alone."""
    if leaves:
        cur.execute(_SQL.change, {"names": [leaf.name for leaf in leaves]})


def final(conn: Connection, window: float) -> Sequence[Leaf]:
    """Those of the window that nobody writes without giving them a new version."""
    return [Leaf(*row[:-1]) for row in conn.execute(_SQL.final, {"window": window})]
