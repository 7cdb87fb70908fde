"""The proof that a batch was read right.

Polars takes an out-of-range union branch for the value branch, an integer in more bytes than it needs for that
integer, and of one with more bits than its type those that fit. So each record is walked through once more, all of
them side by side: from the length that each value which was read must have follows where the next one begins, and
there the bytes of union branches, enum symbols, booleans and the longest integers can be looked at. Where the walk
ends at the end of each record, every field is where it should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.schemas.tree import Type
    from etld.serdes.avro.column_node import ColumnNode

    Numbers = np.ndarray[Any, Any]

_FIXED = {"boolean": 1, "enum": 1, "float": 4, "double": 8}
# The most bytes of an integer, and what the last of so many may be at most: the bits that its type has left.
_FULL = {"int": (5, 0x0F), "long": (10, 0x01)}
_NULL = pl.lit(0)
_AT_ONCE = 64


def measures(top: ColumnNode) -> tuple[pl.Expr, ...]:
    """What the walk has to know of each value: how long a text is, which integer it is, whether it is there."""
    return tuple(_measures(top))


def _measures(top: ColumnNode) -> Iterator[pl.Expr]:
    for node in top.walk():
        if not node.column:
            continue
        if node.optional and node.type.kind != "record":
            yield pl.col(node.column).is_not_null().alias(node.present)
        elif node.optional:
            yield pl.col(node.present)
        value = pl.col(node.column)
        if node.type.kind == "string":
            yield value.str.len_bytes().fill_null(_NULL)
        elif node.type.kind in ("int", "long"):
            yield value.cast(pl.Int64).fill_null(_NULL)
        elif node.type.items is not None:
            yield _length(node.type, value).fill_null(_NULL).alias(node.column)


def known(read: pl.DataFrame, some: Sequence[pl.Expr]) -> pl.DataFrame:
    """The `measures` of what was read. A few at a time: one of an array costs Polars as much as there are columns."""
    if len(some) <= _AT_ONCE:
        return read.select(some)
    pieces = [some[at : at + _AT_ONCE] for at in range(0, len(some), _AT_ONCE)]
    named = [list(dict.fromkeys(name for one in piece for name in one.meta.root_names())) for piece in pieces]
    found = [read.select(names).select(piece) for names, piece in zip(named, pieces, strict=True)]
    return pl.concat(found, how="horizontal")


class Walk:
    """A place in each record of a batch.

    `starts` are where their bodies begin in `data`, and `ends` where they end; `known` are the `measures`.
    """

    def __init__(self, data: bytes, starts: Numbers, ends: Numbers, known: pl.DataFrame) -> None:
        self._bytes = np.frombuffer(data, np.uint8)
        self._at = starts
        self._ends = ends
        self._last = len(data) - 1
        self._known = known
        self._fits = True

    def proves(self, top: ColumnNode) -> bool:
        """Is each record exactly what was read?"""
        self._record(top, None)
        return self._fits and bool((self._at == self._ends).all())

    def _record(self, record: ColumnNode, present: Numbers | None) -> None:
        for _, node in record.fields:
            here = present
            if node.optional:
                here = self._known[node.present].to_numpy()
                null, value = node.index
                self._check(self._byte() == np.where(here, np.uint8(value), np.uint8(null)), present)
                self._move(1, present)
            if node.type.kind == "record":
                self._record(node, here)
            else:
                self._value(node, here)
            if not self._fits:
                return

    def _value(self, node: ColumnNode, here: Numbers | None) -> None:
        kind = node.type.kind
        if kind == "boolean":
            self._check(self._byte() <= 1, here)
        elif kind == "enum":
            byte = self._byte()
            self._check((byte & 1 == 0) & (byte < 2 * len(node.type.symbols)), here)
        if kind in _FIXED:
            self._move(_FIXED[kind], here)
            return
        number = self._known[node.column].to_numpy()
        if node.type.items is not None:
            self._move(number, here)
        elif kind == "string":
            size = number.astype(np.int64)
            self._move(size + _varint(size.astype(np.uint64) << np.uint64(1)), here)
        else:
            size = _varint(((number << 1) ^ (number >> 63)).view(np.uint64))
            full, most = _FULL[kind]
            if size.max(initial=0) >= full:
                last = self._bytes[np.minimum(self._at + size - 1, self._last)]
                self._check((size < full) | (last <= most), here)
            self._move(size, here)

    def _byte(self) -> Numbers:
        # Who has lost its way reads somewhere.
        return self._bytes[np.minimum(self._at, self._last)]

    def _check(self, test: Numbers, present: Numbers | None) -> None:
        self._fits = self._fits and bool((test if present is None else test | ~present).all())

    def _move(self, length: int | Numbers, present: Numbers | None) -> None:
        self._at = self._at + (length if present is None else length * present)


def _varint(zigzag: Numbers) -> Numbers:
    """Bytes of the varints of numbers after zigzag: seven bits in each."""
    sizes = np.ones(len(zigzag), np.int64)
    most = int(zigzag.max(initial=0))
    bits = 7
    while most >> bits:
        sizes += zigzag >= np.uint64(1 << bits)
        bits += 7
    return sizes


def _length(of: Type, value: pl.Expr) -> pl.Expr:
    """Bytes that an array, or a value in one, takes when it is written the shortest way."""
    if of.kind in _FIXED:
        return pl.lit(_FIXED[of.kind], pl.Int64)
    if of.kind == "string":
        size = value.str.len_bytes().cast(pl.Int64)
        return size + _varint_expr(size)
    if of.kind in ("int", "long"):
        wide = value.cast(pl.Int64)
        # Zigzag: n and -n-1 take the same bytes.
        size = _varint_expr(pl.when(wide < 0).then(-(wide + 1)).otherwise(wide))
        # Nobody looks at the bytes within an array: one that may have lost bits is not proved, and read the exact way.
        return pl.when(size < _FULL[of.kind][0]).then(size).otherwise(size + 1)
    if of.kind == "record":
        return pl.sum_horizontal([_length(f.type, value.struct.field(f.name)) for f in of.fields])
    assert of.items is not None
    count = value.list.len().cast(pl.Int64)
    if of.items.kind in _FIXED:
        inside = count * _FIXED[of.items.kind]
    else:
        inside = value.list.eval(_length(of.items, pl.element())).list.sum().cast(pl.Int64)
    # One block, its count, its end; an empty array is its end alone.
    return pl.when(count > 0).then(inside + _varint_expr(count) + 1).otherwise(pl.lit(1, pl.Int64))


def _varint_expr(magnitude: pl.Expr) -> pl.Expr:
    """Bytes of a varint, from a number that is not negative and not yet doubled by zigzag.

    It has one bit more than the number, and seven of them go into a byte.
    """
    return (pl.lit(71, pl.Int64) - magnitude.bitwise_leading_zeros().cast(pl.Int64)) // 7
