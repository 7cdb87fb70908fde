"""What lets rows vanish without an error: triggers, and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.errors import sqlstate
from etld.sinks.base import SinkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Cursor

_SQL = statements.load(__package__, "swallowed_by")
_NOT_SUPPORTED = "0A000"


def triggers(cur: Cursor) -> list[str]:
    """The triggers that fire when a row is inserted into the table of events."""
    return [name for (name,) in cur.execute(_SQL.triggers)]


def explain(found: Sequence[str]) -> str:
    """Why an event is not in the table, though PostgreSQL took it. `found`: the triggers of the table."""
    if not found:
        return "processed_events swallowed it: a trigger of one of its partitions, or a rule, gave no row"
    one = len(found) == 1
    return (
        f"{'trigger' if one else 'one of the triggers'} {', '.join(found)} of processed_events swallowed it:"
        " it gave no row, deleted it again, or changed its event_id"
    )


def refuse_rules(cur: Cursor, error: BaseException) -> None:
    """Raise `SinkError` in words when PostgreSQL cannot merge because the table has rules; the transaction is open."""
    if sqlstate(error) != _NOT_SUPPORTED:
        return
    found = [name for (name,) in cur.execute(_SQL.rules)]
    if found:
        raise SinkError(
            f"rule {', '.join(found)} of processed_events is in the way of the INSERT that finds out which records the"
            " table refuses: `ALTER TABLE public.processed_events DISABLE RULE …`, or make a trigger of it",
            "stop",
            f"SQLSTATE {_NOT_SUPPORTED}",
            code="ETLD-P010",
        ) from error


def refuse_loss(table: str, sent: int, there: int) -> None:
    """Raise `SinkError` when a table of etld's own does not keep what it took."""
    if there < sent:
        raise SinkError(
            f"{table} took {sent} dead letters and has {there} of them: a trigger or rule of it swallows rows, and has"
            " to go",
            "stop",
            code="ETLD-P010",
        )
