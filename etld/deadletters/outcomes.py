"""How repairs ended of late, and the breaker that this opens: one row, for all correctors together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "repository")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of the last `ended` letters for which repairs were sent, `failed` were parked, and the others resolved.

    `open_for` is seconds since the breaker opened, None when it is not open; `trying` says that it was, and that
    a few repairs now show whether it may close.
    """

    ended: int
    failed: int
    open_for: float | None = None
    trying: bool = False


def note(cur: Cursor, window: int, *, resolved: int = 0, came_back: Sequence[float] = ()) -> None:
    """Count letters whose repairs were stored, and those that parked after theirs came back. Two windows are kept.

    `came_back`: seconds since each of those did; what did before the breaker was closed, or tried again, is left out.
    """
    if resolved or came_back:
        cur.execute(_SQL.note_ended, {"window": window, "resolved": resolved, "ages": list(came_back)})


def seen(conn: Connection) -> Outcomes:
    """As of now."""
    row = conn.execute(_SQL.outcomes).fetchone()
    return Outcomes(*row) if row else Outcomes(0, 0)


def open_breaker(conn: Connection) -> bool:
    """Send no more; False when another corrector was first."""
    return bool(conn.execute(_SQL.breaker_open).rowcount)


def try_again(conn: Connection) -> None:
    """Begin to count anew, with few."""
    conn.execute(_SQL.breaker_try)


def close_breaker(conn: Connection) -> None:
    """Send again, and forget what was counted."""
    conn.execute(_SQL.breaker_close)
