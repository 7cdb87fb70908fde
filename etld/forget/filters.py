"""What somebody asked for by a subject's values: filters of jobs on dead letters, and arguments in the audit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etld.erasure.subject import Subject
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "filters")
#: Of filters: those that ask for what stands in events.
_KEYS = ("user", "text", "event_id", "error")
#: What stands in place of a value: it chooses nothing.
FORGOTTEN = "(forgotten)"


def erase(conn: Connection, subjects: Iterable[Subject]) -> int:
    """Write `FORGOTTEN` where a value of a subject stands in a filter; how many rows were changed."""
    values = sorted({value for one in subjects for value in one.values if value})
    changed = 0
    for found, change in ((_SQL.jobs, _SQL.change_job), (_SQL.audited, _SQL.change_audited)):
        for row_id, text in conn.execute(found, {"keys": list(_KEYS)}).fetchall():
            filters: dict[str, object] = json.loads(text)
            without = {key: _without(key, told, values) for key, told in filters.items()}
            if without != filters:
                conn.execute(change, {"id": row_id, "changed": json.dumps(without)})
                changed += 1
    return changed


def _without(key: str, told: object, values: Sequence[str]) -> object:
    """A text without the values, where they stand as words of their own."""
    if key not in _KEYS or not isinstance(told, str):
        return told
    for value in values:
        if value in told:
            told = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", FORGOTTEN, told)
    return told
