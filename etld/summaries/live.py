"""The summaries as they are made and filled, held so that nobody makes or fills one meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.model import Summary

_SQL = statements.load(__package__, "tables")


class NotYet(EtldError):
    """A summary is being made or filled, or somebody is behind; try again in a while."""

    code = "ETLD-M002"


def hold(conn: Connection, summaries: Sequence[Summary]) -> list[Summary]:
    """All summaries of the database, which nobody makes or fills until the end of the transaction.

    `summaries` are those of the configuration. Raises `NotYet` while one is not filled yet, or is made otherwise.
    """
    conn.execute(_SQL.lock)
    wanted = {summary.name: summary for summary in summaries}
    live = []
    for name, definition, state in conn.execute(_SQL.states).fetchall():
        summary = wanted.get(name)
        if summary is None or definition != summary.definition():
            raise NotYet(f"summary {name} is not made as the configuration says: does the aggregator run?")
        if state != "live":
            raise NotYet(f"summary {name} is still being filled from processed_events")
        live.append(summary)
    return live
