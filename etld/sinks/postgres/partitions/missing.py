"""Rows for which there is no partition: no fault of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres.errors import constraint, sqlstate
from etld.sinks.postgres.partitions.takeover import BOUND

if TYPE_CHECKING:
    from etld.postgres.errors import DatabaseError

_CHECK_VIOLATION = "23514"


def is_missing(error: BaseException) -> bool:
    """Does PostgreSQL say that a row has no partition? A CHECK of the table's has a name."""
    return sqlstate(error) == _CHECK_VIOLATION and constraint(error) in (None, BOUND)


def explained(error: DatabaseError) -> str:
    """What is missing, and who makes it, in one line."""
    detail = (error.diag.message_detail or "").replace("\n", " ")
    return (
        "processed_events has no partition for some rows, which wait for it: partitions are made ahead unless somebody"
        f" locks the table for long ({error.diag.message_primary} {detail})"
    )
