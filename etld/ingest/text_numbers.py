"""Integers that come as text, as the ids of Segment's libraries do, where a schema has an integer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.schemas.tree import Type

#: From a value as it came to what the schema has there; whatever it does not know how to change it gives back.
Fix = Callable[[Any], Any]


def fix_of(of: Type) -> Fix | None:
    """What makes integers of text below this type; None where the schema has none, or has text as well."""
    kinds = of.branches or (of,)
    if any(kind.kind == "string" for kind in kinds):
        return None
    if any(kind.kind in ("int", "long") and not kind.logical for kind in kinds):
        return _to_number
    inner = of.optional or of
    if inner.items is not None:
        fix = fix_of(inner.items)
        if fix is None:
            return None
        return _in_list(fix) if inner.kind == "array" else _in_map(fix)
    fixes = {field.name: fix for field in inner.fields if (fix := fix_of(field.type)) is not None}
    return _in_record(fixes) if fixes else None


def _to_number(value: Any) -> Any:
    # 19 digits are enough for every int64, and few enough for int().
    if type(value) is str and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20:
        number = int(value)
        if str(number) == value and -(2**63) <= number < 2**63:
            return number
    return value


def _in_list(fix: Fix) -> Fix:
    return lambda value: [fix(item) for item in value] if type(value) is list else value


def _in_map(fix: Fix) -> Fix:
    return lambda value: {key: fix(item) for key, item in value.items()} if type(value) is dict else value


def _in_record(fixes: Mapping[str, Fix]) -> Fix:
    def fix(value: Any) -> Any:
        if type(value) is not dict:
            return value
        changed = {name: inner(value[name]) for name, inner in fixes.items() if name in value}
        return {**value, **changed}

    return fix
