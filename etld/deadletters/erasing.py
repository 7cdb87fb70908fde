"""Dead letters taken out for good, and left out when their records come again: nothing of them stays but their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from etld.deadletters.letter_headers import DEAD_LETTER_ID
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from etld.deadletters.letters import ArrivedLetter
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "erasing")
_LOWEST = "00000000-0000-0000-0000-000000000000"
_PAGE = 500


class WaitingLetter(NamedTuple):
    """A letter of the outbox, by its row; `accepted`: when its event was."""

    row_id: int
    value: bytes | None
    schema_header: str | None
    headers: Mapping[str, str]
    accepted: datetime


def pages(conn: Connection) -> Iterator[dict[str, datetime]]:
    """The ids of all letters, some hundred at a time, with when the event of each was accepted."""
    after = _LOWEST
    while found := dict(conn.execute(_SQL.page, {"after": after, "limit": _PAGE}).fetchall()):
        yield found
        after = max(found)


def outbox_pages(conn: Connection) -> Iterator[list[WaitingLetter]]:
    """All letters of the outbox, some hundred at a time."""
    after = 0
    while rows := conn.execute(_SQL.outbox_page, {"after": after, "limit": _PAGE}).fetchall():
        yield [WaitingLetter(row[0], None if row[1] is None else bytes(row[1]), *row[2:]) for row in rows]
        after = rows[-1][0]


def erase(cur: Cursor, ids: Sequence[str]) -> int:
    """Delete letters with their attempts; how many were still there."""
    return cur.execute(_SQL.erase, {"ids": list(ids)}).rowcount


def erase_outbox(cur: Cursor, row_ids: Sequence[int]) -> None:
    """Delete letters that are yet to go to the dead letter queue."""
    cur.execute(_SQL.erase_outbox, {"ids": list(row_ids)})


def leave_out(cur: Cursor, letters: Sequence[ArrivedLetter]) -> set[str]:
    """Count letters of the forgotten that have arrived, each once; the ids of those that had not been counted."""
    of_processors = [one.offset is not None and DEAD_LETTER_ID in one.headers for one in letters]
    topics = [one.topic if counts else None for one, counts in zip(letters, of_processors, strict=True)]
    return {row[0] for row in cur.execute(_SQL.leave_out, {"ids": [one.id for one in letters], "topics": topics})}


def outbox_end(conn: Connection) -> int:
    """The last row of the outbox."""
    row = conn.execute(_SQL.outbox_end).fetchone()
    return int(row[0]) if row else 0


def outbox_left(conn: Connection, until: int) -> int:
    """How many of the rows until that one are still to go."""
    row = conn.execute(_SQL.outbox_left, {"until": until}).fetchone()
    return int(row[0]) if row else 0
