"""How one schema is read a batch at a time: the wrapped schema, and the columns that are made of what was read.

The wrapped schema has one column for each value that an event may hold: a record that is always there has no bytes of
its own, so its fields stand beside those around it. With a thousand fields each step over a nested one would look
through all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.serdes.avro import proof
from etld.serdes.avro.bare_schema import bare
from etld.serdes.avro.column_node import numbered
from etld.serdes.avro.wire import HEADER
from etld.serdes.columns import RANGES, dtype, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.schemas.tree import Type
    from etld.serdes.avro.column_node import ColumnNode

NONCE = 8
_SIMPLE = frozenset({"boolean", "int", "long", "float", "double", "string"})
# Symbols whose index takes one byte.
_ONE_BYTE = 64
# In an array every field of a record is looked up among the others.
_MOST_IN_ARRAY = 100


@dataclass(frozen=True)
class ColumnarPlan:
    """How a batch of one schema is read.

    `wrapped`: the schema to read with. `top`: what stands in it. `records`: optional records, which have to be taken
    apart, outermost first, and all of one depth at once: each time takes a look at every column. `checks`: true where
    all values are within their ranges. `measures`: see `proof`. `columns`: those of an event.
    """

    wrapped: bytes
    top: ColumnNode
    records: tuple[tuple[ColumnNode, ...], ...]
    checks: tuple[pl.Expr, ...]
    measures: tuple[pl.Expr, ...]
    columns: tuple[pl.Expr, ...]

    def flat(self, read: pl.DataFrame) -> pl.DataFrame:
        """What was read, with a column for each value."""
        for nodes in self.records:
            present = [pl.col(node.column).is_not_null().alias(node.present) for node in nodes]
            read = read.with_columns(present).unnest([node.column for node in nodes])
        return read


def plan(top: Type, head: int = HEADER) -> ColumnarPlan | None:
    """The plan for a schema whose records have `head` bytes in front; None when only the exact path reads it."""
    if not _readable(top, in_array=False):
        return None
    node = numbered(top)
    fields = [
        {"name": "_header", "type": {"type": "fixed", "name": "header", "size": head}},
        *_fields(node),
        {"name": "_nonce", "type": {"type": "fixed", "name": "nonce", "size": NONCE}},
    ]
    wrapped = json.dumps({"type": "record", "name": "wrapped", "fields": fields}).encode()
    by_name = dict(node.fields)
    checks = [
        pl.col(one.column).is_between(*RANGES[one.type.logical]).all()
        for one in node.walk()
        if one.type.logical in RANGES and one is not by_name.get("triggered_at")
    ]
    columns = tuple(_column(by_name[f.name]).alias(f.name) for f in taken(top).fields)
    return ColumnarPlan(wrapped, node, tuple(_by_depth(node)), tuple(checks), proof.measures(node), columns)


def _by_depth(top: ColumnNode) -> Iterator[tuple[ColumnNode, ...]]:
    """The optional records, by how many of them each stands in."""
    nodes = tuple(_nearest(top))
    while nodes:
        yield nodes
        nodes = tuple(inner for node in nodes for inner in _nearest(node))


def _nearest(record: ColumnNode) -> Iterator[ColumnNode]:
    """The optional records in a record that stand in no other."""
    for _, node in record.fields:
        if node.type.kind == "record":
            yield from (node,) if node.optional else _nearest(node)


def _readable(of: Type, *, in_array: bool) -> bool:
    if of.logical == "decimal":
        return False
    if of.kind in _SIMPLE:
        return not (in_array and (of.kind == "boolean" or of.logical in RANGES))
    if of.kind == "record":
        return (
            bool(of.fields)
            and not (in_array and len(of.fields) > _MOST_IN_ARRAY)
            and all(_readable(f.type, in_array=in_array) for f in of.fields)
        )
    if of.kind == "enum":
        return not in_array and len(of.symbols) <= _ONE_BYTE
    if of.kind == "array" and of.items is not None:
        return _readable(of.items, in_array=True)
    only = of.optional
    return only is not None and not in_array and only.kind != "enum" and _readable(only, in_array=False)


def _fields(record: ColumnNode) -> Iterator[dict[str, Any]]:
    """The fields of a record in the wrapped schema."""
    for _, node in record.fields:
        if not node.column:
            yield from _fields(node)
            continue
        schema: Any
        if node.type.kind == "record":
            schema = {"type": "record", "name": f"r_{node.column}", "fields": list(_fields(node))}
        else:
            schema = bare(node.type, f"{node.column}_")
        yield {"name": node.column, "type": _union(node, schema) if node.optional else schema}


def _union(node: ColumnNode, schema: Any) -> list[Any]:
    return ["null", schema] if node.index[0] == 0 else [schema, "null"]


def _column(node: ColumnNode) -> pl.Expr:
    """A value in its agreed type, of columns without logical types."""
    if node.type.kind == "record":
        made = pl.struct([_column(below).alias(name) for name, below in node.fields])
        return pl.when(pl.col(node.present)).then(made) if node.optional else made
    value = pl.col(node.column)
    of = node.type
    if of.logical.startswith("time-"):
        value = value.cast(pl.Int64) * (1_000_000 if of.logical == "time-millis" else 1000)
    return value if of.kind in _SIMPLE and not of.logical else value.cast(dtype(of))
