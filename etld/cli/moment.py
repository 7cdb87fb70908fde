"""Times as people give them to a command."""

from __future__ import annotations

from datetime import UTC, datetime

from etld.errors import UsageError

EARLIEST = "earliest"


def moment(option: str, text: str) -> datetime | None:
    """A time, in UTC unless it says otherwise; None for "earliest". Raises `UsageError`."""
    if text == EARLIEST:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: expected a time such as 2026-07-01T12:00:00Z, or {EARLIEST}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
