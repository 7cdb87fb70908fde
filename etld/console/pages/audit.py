"""Who did what from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.console import audit
from etld.console.page import Field, Page

if TYPE_CHECKING:
    from etld.console.page import View
    from etld.console.sources import Sources

_ROWS = 50
_COLUMNS = ("id", "at", "node", "who", "role", "address", "action", "arguments", "outcome", "ended_at")


def _data(sources: Sources, view: View) -> dict[str, Any]:
    values = view.values
    before = int(values["before"]) if "before" in values else None
    with sources.reading() as conn:
        rows = audit.rows(conn, who=values.get("who"), action=values.get("action"), before=before, limit=_ROWS + 1)
    more = len(rows) > _ROWS
    rows = rows[:_ROWS]
    return {"rows": rows, "next": rows[-1]["id"] if more else None}


def _table(data: dict[str, Any]) -> list[list[Any]]:
    return [list(_COLUMNS), *([row[name] for name in _COLUMNS] for row in data["rows"])]


PAGE = Page(
    name="audit",
    path="/audit",
    description="What was changed in the console and by commands, newest first.",
    data=_data,
    fields=(
        Field("who", "Only of this user."),
        Field("action", "Only actions that begin so, such as workers/."),
        Field("before", "Only rows with a smaller id.", integer=True, most=2**63 - 1),
    ),
    key="a",
    table=_table,
)
