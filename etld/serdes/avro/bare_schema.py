"""A schema as fastavro and Polars get it: no name twice, no logical types, so that values are what is on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.schemas.tree import Type


def bare(of: Type, prefix: str = "") -> Any:
    """The schema of a tree with names made anew, so that no name is used twice, and no logical types.

    `prefix` is that of its names, for a schema that becomes part of another.
    """
    numbers = iter(range(1 << 30))

    def build(one: Type) -> Any:
        if one.kind == "record":
            name = f"{prefix}r{next(numbers)}"
            fields = [{"name": f.name, "type": build(f.type)} for f in one.fields]
            return {"type": "record", "name": name, "fields": fields}
        if one.kind == "union":
            return [build(branch) for branch in one.branches]
        if one.items is not None:
            return {"type": one.kind, "items" if one.kind == "array" else "values": build(one.items)}
        if one.kind == "enum":
            return {"type": "enum", "name": f"{prefix}e{next(numbers)}", "symbols": list(one.symbols)}
        made: dict[str, Any] = {"type": one.kind}
        if one.kind == "fixed":
            made |= {"name": f"{prefix}f{next(numbers)}", "size": one.size}
        return made if len(made) > 1 else one.kind

    return build(of)
