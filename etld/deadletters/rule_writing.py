"""A first draft of a rule for letters that fail alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etld.deadletters.rule_store import to_toml

if TYPE_CHECKING:
    from etld.deadletters.error_groups import ErrorGroup

_FIELD = re.compile(r"([A-Za-z_][\w.]*): expected (.+)")


def draft(group: ErrorGroup) -> str:
    """The TOML of a rule for the letters of a group, for a person to go on with."""
    match: dict[str, Any] = {} if group.event_type == "?" else {"event_type": group.event_type}
    match |= {"stage": group.stage, "message": re.escape(group.error).replace(r"\#", r"\d+").replace(r"\ ", " ")}
    found = _FIELD.search(group.error)
    field, wanted = (found[1], found[2]) if found else ("*", "")
    step: dict[str, Any] = {"cast": field}
    if wanted.startswith(("a finite number", "a number", "an integer", "a decimal")):
        step = {"parse_number": field}
    elif wanted.startswith("a time as"):
        step = {"parse_date": {"field": field, "formats": ["day_first", "year_first", "epoch_ms"]}}
    elif wanted.startswith(("no field of this name", "a value: the field is required")):
        step = {"rename": "*"}
    name = "_".join(part for part in (match.get("event_type", ""), field.rpartition(".")[2].strip("*")) if part)
    return to_toml({"name": name or "repair", "match": match, "steps": [step]})
