"""The rows of etld.audit: who did what from where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.console.page import Values
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "audit")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class AskedAction:
    """What somebody asks for: an action such as "workers/restart"."""

    who: str
    role: str
    address: str
    action: str
    arguments: Values


def begin(conn: Connection, node: str, attempt: AskedAction) -> int:
    """Note it before it is done; the row's id."""
    row = conn.execute(
        _SQL.begin,
        {
            "node": node,
            "who": attempt.who,
            "role": attempt.role,
            "address": attempt.address,
            "action": attempt.action,
            "arguments": json.dumps({name: value.replace("\0", "") for name, value in attempt.arguments.items()}),
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def end(conn: Connection, identifier: int, outcome: str) -> None:
    """Note what came of it."""
    conn.execute(_SQL.end, {"id": identifier, "outcome": outcome.replace("\0", "")[:_LONGEST]})


def end_lost(conn: Connection, node: str, age: float) -> None:
    """Note what a console of the node began more than `age` seconds ago, and did not live to see the end of."""
    outcome = "failed: the console ended before this did; the daemon may have done it"
    conn.execute(_SQL.end_lost, {"node": node, "age": age, "outcome": outcome})


def rows(
    conn: Connection, *, who: str | None, action: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """The newest of a person and of actions that begin with a text, below an id; all of them without."""
    cur = conn.execute(_SQL.rows, {"who": who, "action": action, "before": before, "limit": limit})
    names = [column.name for column in cur.description or ()]
    found = [dict(zip(names, row, strict=True)) for row in cur.fetchall()]
    for row in found:
        row["arguments"] = json.loads(row["arguments"])
    return found
