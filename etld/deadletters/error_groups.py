"""Dead letters by what is wrong with them: counted as they come and change, so that a million is told in a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from etld.explain import code_of_letter
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from etld.deadletters.letter_filter import LetterFilter
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "queries")
_BINS = 24
# Letters that came before are counted by day, so that years are few rows.
_HOURS_KEPT = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Letters of one event type ("?": unknown) that fail alike.

    `error` is what they have in common, `example` their newest letter. `spark` is how many came in each of 24 equal
    stretches of time until now, from the first letter of all groups on; no stretch is shorter than an hour, or than a
    day when the first came more than three days ago.
    """

    group: str
    event_type: str
    stage: str
    error_class: str
    sqlstate: str
    letters: int
    parked: int
    resolved: int
    error: str
    example: str
    first_seen: datetime
    last_seen: datetime
    spark: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on."""
        return {
            "event_type": self.event_type,
            "stage": self.stage,
            "error_class": self.error_class,
            "sqlstate": self.sqlstate,
            "letters": self.letters,
            "parked": self.parked,
            "resolved": self.resolved,
            "error": self.error,
            "example": self.example,
            "group": self.group,
            "first_seen": self.first_seen.isoformat(),
            "last_seen": self.last_seen.isoformat(),
            "spark": list(self.spark),
            "explain": code_of_letter(self.error_class, self.stage),
        }


@dataclass(frozen=True, slots=True)
class ErrorGroups:
    """The largest groups first; `total` is how many groups there are, also those that are left out here."""

    groups: tuple[ErrorGroup, ...]
    total: int


def groups(conn: Connection, chosen: LetterFilter, most: int) -> ErrorGroups:
    """The groups of the letters that a filter chooses, at most so many."""
    statement = _SQL.groups_counted if chosen.by_counts else _SQL.groups_looked_up
    rows = conn.execute(
        statement, {**chosen.parameters(), "most": most, "bins": _BINS, "hours_kept": _HOURS_KEPT}
    ).fetchall()
    found = tuple(_group(row) for row in rows)
    return ErrorGroups(found, rows[0][13] if rows else 0)


def add_counts_up(cur: Cursor) -> None:
    """Make one row of the rows that count one kind of letters in an hour, or in a day that is some days ago."""
    cur.execute(_SQL.add_counts_up, {"hours_kept": _HOURS_KEPT})


def _group(row: tuple[Any, ...]) -> ErrorGroup:
    return ErrorGroup(*(*row[:12], _bins(row[12])))


def _bins(found: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(max(0, int(found.get(str(bin_), 0))) for bin_ in range(_BINS))
