"""Which type a field of an event type has in PostgreSQL, as summaries need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.util.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from etld.schemas.tree import Type

#: Top fields of an event are columns of processed_events, the rest lies below its two jsonb columns.
COLUMNS = frozenset({"event_name", "event_type", "triggered_at"})
DETAILS = frozenset({"user_details", "event_details"})
_PLAIN = {
    "string": "text",
    "enum": "text",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "boolean": "boolean",
}
_USABLE = "a summary takes plain text, numbers and booleans"


@dataclass(frozen=True, slots=True)
class Known:
    """A field's PostgreSQL type."""

    type: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a path leads to nothing that a summary can use."""

    reason: str


def lookup(top: Type, path: str) -> Known | Unknown:
    """The type of the field at `path` ("event_details.price") in the schema of an event type."""
    steps = path.split(".")
    if path == "event_id":
        return Unknown("is another in each event")
    if steps[0] in COLUMNS and len(steps) == 1:
        return Known("timestamptz" if path == "triggered_at" else "text")
    if steps[0] not in DETAILS or len(steps) == 1:
        return Unknown(_unknown(steps[0], sorted(COLUMNS | {f"{name}.…" for name in DETAILS})))
    here = top
    for i, step in enumerate(steps):
        if here.kind != "record":
            return Unknown(f"{'.'.join(steps[:i])} has no fields")
        by_name = {field.name: field.type for field in here.fields}
        if step not in by_name:
            return Unknown(_unknown(step, by_name, ".".join(steps[:i])))
        here = _without_null(by_name[step])
    return _column_type(here)


def _without_null(of: Type) -> Type:
    """The type itself, or the only one beside null."""
    return of.not_null[0] if len(of.not_null) == 1 else of


def _column_type(of: Type) -> Known | Unknown:
    if of.logical == "decimal":
        return Known("numeric")
    if of.logical and of.logical != "uuid":
        return Unknown(f"is a {of.logical}, and {_USABLE}")
    if of.kind in _PLAIN:
        return Known(_PLAIN[of.kind])
    return Unknown(f"is a {'union of several types' if of.kind == 'union' else of.kind}, and {_USABLE}")


def _unknown(name: str, known: Collection[str], where: str = "") -> str:
    inside = f" in {where}" if where else ""
    close = nearest(name, known, 0.6)
    if close is not None:
        return f"no field {name!r}{inside}: did you mean {close!r}?"
    return f"no field {name!r}{inside}; known: {', '.join(known)}"
