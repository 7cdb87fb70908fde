"""Rows for which there is no partition: no fault of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.errors import constraint, sqlstate
from etld.sinks.postgres.partitions.takeover import BOUND

if TYPE_CHECKING:
    from datetime import datetime

    from etld.postgres.connections import Cursor
    from etld.postgres.errors import DatabaseError

_SQL = statements.load(__package__, "catalog")
_CHECK_VIOLATION = "23514"


def oldest(cur: Cursor) -> datetime | None:
    """What was accepted before this moment has no partition any more; None: all has one."""
    row = cur.execute(_SQL.oldest).fetchone()
    return None if row is None else row[0]


def is_missing(error: BaseException) -> bool:
    """Does PostgreSQL say that a row has no partition? A CHECK of the table's has a name."""
    return sqlstate(error) == _CHECK_VIOLATION and constraint(error) in (None, BOUND)


def explained(error: DatabaseError) -> str:
    """What is missing, and who makes it, in one line."""
    detail = (error.diag.message_detail or "").replace("\n", " ")
    return (
        "processed_events has no partition for some rows, which wait for it: the aggregator makes partitions ahead, so"
        f" look whether it runs and what `etld status` says of it ({error.diag.message_primary} {detail})"
    )
