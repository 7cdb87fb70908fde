"""Dead letters on their way from a processor's transaction to the dead letter queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.sinks.postgres import swallowed_by
from etld.sinks.postgres.unwrap import cursor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etld.postgres.connections import Connection
    from etld.sinks.base import Transaction

_SQL = statements.load(__package__, "outbox")


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: key and value as they were, and why, as headers (values as text)."""

    dead_letter_id: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A letter in the outbox, by its row."""

    row_id: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]


def add(transaction: Transaction, letters: Sequence[Letter]) -> None:
    """Put letters into the outbox, each once however often it is written.

    Raises `SinkError` when they are not there after it: a trigger or rule of the table is in the way.
    """
    ids = [letter.dead_letter_id for letter in letters]
    cur = cursor_of(transaction).execute(_SQL.add, columns_of(letters))
    if cur.rowcount < len(ids):
        there = cur.execute(_SQL.there, {"ids": ids}).fetchall()
        swallowed_by.refuse_loss("etld.dlq_outbox", len(set(ids)), len(there))


def columns_of(letters: Sequence[Letter]) -> dict[str, list[Any]]:
    """Letters as parameters of a statement."""
    return {
        "ids": [letter.dead_letter_id for letter in letters],
        "keys": [letter.key for letter in letters],
        "values": [letter.value for letter in letters],
        "headers": [json.dumps(letter.headers).replace("\\u0000", "\\ufffd") for letter in letters],
    }


def take(conn: Connection, limit: int, aside: Sequence[int] = ()) -> list[OutboxRow]:
    """The oldest letters but those `aside` that nobody else is taking; locked until the transaction ends."""
    rows = conn.execute(_SQL.take, {"limit": limit, "aside": list(aside)}).fetchall()
    return [OutboxRow(row_id, _bytes(key), _bytes(value), dict(headers)) for row_id, key, value, headers in rows]


def remove(conn: Connection, row_ids: Iterable[int]) -> None:
    """Forget letters that Kafka has acknowledged."""
    conn.execute(_SQL.remove, {"ids": list(row_ids)})


def _bytes(value: bytes | memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)
