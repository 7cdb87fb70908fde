"""In what two events differ, field by field. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """A field whose value differs: both as JSON on one line, "-" where there is none."""

    path: str
    before: str
    after: str


def changes(before: Any, after: Any, path: str = "") -> tuple[Change, ...]:
    """The fields in which two events differ, in the order of `before`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return tuple(
            change
            for key in keys
            for change in changes(before.get(key, ...), after.get(key, ...), f"{path}.{key}" if path else key)
        )
    if type(before) is type(after) and isinstance(before, str | int | None) and before == after:
        return ()
    old, new = _shown(before), _shown(after)
    return () if old == new else (Change(path, old, new),)


def _shown(value: Any) -> str:
    return "-" if value is ... else json.dumps(value, ensure_ascii=False, default=str)
