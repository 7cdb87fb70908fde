"""How one schema is read a batch at a time: the wrapped schema, and the proof that it was read right.

Polars takes an out-of-range union branch for the value branch, and an integer in more bytes than it
needs for that integer. So the length that each record must have is computed from what was read; where
it equals the record's length, every field is where it should be, and the bytes of its union branches,
enum symbols and booleans can be looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from etld.serdes.avro.bare_schema import bare
from etld.serdes.avro.wire import HEADER
from etld.serdes.columns import RANGES, dtype, taken

if TYPE_CHECKING:
    from etld.schemas.tree import Type

NONCE = 8
_SIMPLE = frozenset({"boolean", "int", "long", "float", "double", "string"})
# Symbols whose index takes one byte.
_ONE_BYTE = 64


@dataclass(frozen=True)
class ColumnarPlan:
    """How a batch of one schema is read.

    `wrapped`: the schema to read with. `columns`: the columns in their agreed types. `proof`: true where a record
    (column `_value`: its bytes) is exactly what was read, once the columns `lengths` are added.
    """

    wrapped: bytes
    lengths: tuple[pl.Expr, ...]
    proof: pl.Expr
    columns: tuple[pl.Expr, ...]


def plan(top: Type) -> ColumnarPlan | None:
    """The plan for a schema, None when only the exact path reads it."""
    if not _readable(top, in_array=False):
        return None
    inner = bare(top)
    fields = [
        {"name": "_header", "type": {"type": "fixed", "name": "header5", "size": HEADER}},
        *inner["fields"],
        {"name": "_nonce", "type": {"type": "fixed", "name": "nonce8", "size": NONCE}},
    ]
    wrapped = json.dumps({"type": "record", "name": "wrapped", "fields": fields}).encode()
    proof = _Proof()
    for f in top.fields:
        proof.field(f.type, pl.col(f.name), checked=f.name != "triggered_at")
    made = tuple(_column(f.type, pl.col(f.name)).alias(f.name) for f in taken(top).fields)
    return ColumnarPlan(wrapped, tuple(proof.lengths), proof.expr(), made)


def _readable(of: Type, *, in_array: bool) -> bool:
    if of.logical == "decimal":
        return False
    if of.kind in _SIMPLE:
        return not (in_array and (of.kind == "boolean" or of.logical in RANGES))
    if of.kind == "record":
        return bool(of.fields) and all(_readable(f.type, in_array=in_array) for f in of.fields)
    if of.kind == "enum":
        return not in_array and len(of.symbols) <= _ONE_BYTE
    if of.kind == "array" and of.items is not None:
        return _readable(of.items, in_array=True)
    only = of.optional
    return only is not None and not in_array and only.kind != "enum" and _readable(only, in_array=False)


def _column(of: Type, expr: pl.Expr) -> pl.Expr:
    """What was read, without logical types, cast to the column type."""
    return _scaled(of, expr).cast(dtype(of))


def _scaled(of: Type, expr: pl.Expr) -> pl.Expr:
    inner = of.optional or of
    if inner.logical.startswith("time-"):
        return expr.cast(pl.Int64) * (1_000_000 if inner.logical == "time-millis" else 1000)
    if inner.kind == "record" and _has_clock(inner):
        made = pl.struct([_scaled(f.type, expr.struct.field(f.name)).alias(f.name) for f in inner.fields])
        return made if of is inner else pl.when(expr.is_not_null()).then(made)
    return expr


def _has_clock(of: Type) -> bool:
    return of.logical.startswith("time-") or any(map(_has_clock, of.below()))


class _Proof:
    """Goes through the fields in the order of their bytes: where each begins, and what must be there."""

    def __init__(self) -> None:
        # As columns of their own: an expression that holds all of them for each union takes ms to plan.
        self.lengths: list[pl.Expr] = []
        self._fixed = HEADER
        self._checks: list[pl.Expr] = []

    def expr(self) -> pl.Expr:
        whole = self._at() == pl.col("_value").bin.size(unit="b").cast(pl.Int64)
        return pl.all_horizontal([whole, *self._checks])

    def field(self, of: Type, value: pl.Expr, *, checked: bool, present: pl.Expr | None = None) -> None:
        only = of.optional
        if only is not None:
            here = value.is_not_null()
            indexes = [b"\x00", b"\x02"]
            value_index = indexes[1 if of.branches[0].kind == "null" else 0]
            null_index = indexes[0 if of.branches[0].kind == "null" else 1]
            expected = pl.when(here).then(pl.lit(value_index)).otherwise(pl.lit(null_index))
            self._check(self._byte() == expected, present)
            self._grow(1, present)
            inside = here if present is None else present & here
            self.field(only, value, checked=checked, present=inside)
            return
        if of.kind == "record":
            for f in of.fields:
                self.field(f.type, value.struct.field(f.name), checked=checked, present=present)
            return
        if of.kind == "boolean":
            self._check(self._byte().is_in([b"\x00", b"\x01"]), present)
        elif of.kind == "enum":
            self._check(self._byte().is_in([bytes([2 * i]) for i in range(len(of.symbols))]), present)
        if checked and of.logical in RANGES:
            self._check(value.is_between(*RANGES[of.logical]), present)
        self._grow(_length(of, value), present)

    def _at(self) -> pl.Expr:
        fixed = pl.lit(self._fixed, pl.Int64)
        return pl.sum_horizontal([fixed, *(pl.col(f"_length{i}") for i in range(len(self.lengths)))])

    def _byte(self) -> pl.Expr:
        return pl.col("_value").bin.slice(self._at(), 1)

    def _check(self, test: pl.Expr, present: pl.Expr | None) -> None:
        self._checks.append(test if present is None else ~present | test)

    def _grow(self, length: int | pl.Expr, present: pl.Expr | None) -> None:
        if isinstance(length, int) and present is None:
            self._fixed += length
            return
        term = pl.lit(length, pl.Int64) if isinstance(length, int) else length
        if present is not None:
            term = pl.when(present).then(term).otherwise(pl.lit(0, pl.Int64))
        self.lengths.append(term.alias(f"_length{len(self.lengths)}"))


def _length(of: Type, value: pl.Expr) -> int | pl.Expr:
    """Bytes that a value takes when it is written the shortest way."""
    if of.kind in ("boolean", "enum"):
        return 1
    if of.kind in ("float", "double"):
        return 4 if of.kind == "float" else 8
    if of.kind == "string":
        size = value.str.len_bytes().cast(pl.Int64)
        return size + _varint(size)
    if of.kind in ("int", "long"):
        wide = value.cast(pl.Int64)
        # Zigzag: n and -n-1 take the same bytes.
        return _varint(pl.when(wide < 0).then(-(wide + 1)).otherwise(wide))
    if of.kind == "record":
        parts = [_length(f.type, value.struct.field(f.name)) for f in of.fields]
        return pl.sum_horizontal([pl.lit(p, pl.Int64) if isinstance(p, int) else p for p in parts])
    assert of.items is not None
    inner = _length(of.items, pl.element())
    count = value.list.len().cast(pl.Int64)
    inside = count * inner if isinstance(inner, int) else value.list.eval(inner).list.sum().cast(pl.Int64)
    # One block, its count, its end; an empty array is its end alone.
    return pl.when(count > 0).then(inside + _varint(count) + 1).otherwise(pl.lit(1, pl.Int64))


def _varint(magnitude: pl.Expr) -> pl.Expr:
    """Bytes of a varint, from a number that is not negative and not yet doubled by zigzag.

    It has one bit more than the number, and seven of them go into a byte.
    """
    return (pl.lit(71, pl.Int64) - magnitude.bitwise_leading_zeros().cast(pl.Int64)) // 7
