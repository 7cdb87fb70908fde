"""The event ids of letters that an earlier version kept as text: moved to the uuid's column, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.postgres.connections import Cursor

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
