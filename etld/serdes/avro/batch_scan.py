"""Which records of a batch do not have the shape of a schema, found by a scan of all of them side by side.

Each step takes one field of every record at once, so that a batch with broken records costs little more than one
without. What is found is a suspicion: it says which records to read one by one, never what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etld.serdes.avro.wire import HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.schemas.tree import Type

    Places = np.ndarray[Any, Any]

# An integer takes ten bytes at most (Avro specification, "Primitive Types": zigzag varints of 64 bits).
_LONGEST = 10
_SIZES = {"float": 4, "double": 8}


def misfits(top: Type, values: Sequence[bytes], head: int = HEADER) -> list[int]:
    """The places in `values` (each with `head` bytes in front) of records that are no value of the schema.

    They end too early or too late, or have a union branch, an enum symbol or a boolean that does not exist. None for
    a schema with arrays, where records differ in their steps.

    `top` is a schema that has a `plan`.
    """
    if _has_array(top):
        return []
    scan = _Scan(values, head)
    scan.take(top, np.arange(len(values)))
    return scan.misfits()


def _has_array(of: Type) -> bool:
    return of.kind == "array" or any(map(_has_array, of.below()))


class _Scan:
    def __init__(self, values: Sequence[bytes], head: int) -> None:
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        self._ends = np.cumsum(sizes)
        # Who has lost its way goes on reading somewhere, at most in these zeros.
        self._bytes = np.frombuffer(b"".join([*values, bytes(_LONGEST)]), np.uint8)
        self._last = len(self._bytes) - 1
        self._at = self._ends - sizes + head
        self._fits = np.ones(len(values), bool)

    def misfits(self) -> list[int]:
        found: list[int] = np.flatnonzero(~self._fits | (self._at != self._ends)).tolist()
        return found

    def take(self, of: Type, rows: Places) -> None:
        """Step over a value of this type in the records `rows`."""
        if of.kind == "record":
            for field in of.fields:
                self.take(field.type, rows)
        elif of.kind == "union":
            branch = self._index(rows, 2)
            nulls_first = of.branches[0].kind == "null"
            only = of.optional
            assert only is not None
            self.take(only, rows[branch == (1 if nulls_first else 0)])
        elif of.kind == "enum":
            self._index(rows, len(of.symbols))
        elif of.kind == "boolean":
            self._index(rows, 2, signed=False)
        elif of.kind in ("int", "long"):
            self._integer(rows)
        elif of.kind == "string":
            self._skip(rows, self._integer(rows))
        else:
            self._skip(rows, np.full(len(rows), _SIZES[of.kind], np.int64))

    def _index(self, rows: Places, count: int, *, signed: bool = True) -> Places:
        index = self._integer(rows, signed=signed)
        self._fits[rows] &= (index >= 0) & (index < count)
        return index

    def _skip(self, rows: Places, sizes: Places) -> None:
        wrong = (sizes < 0) | (sizes > self._last)
        self._fits[rows] &= ~wrong
        self._at[rows] += np.where(wrong, 0, sizes)

    def _integer(self, rows: Places, *, signed: bool = True) -> Places:
        """The integer at each record's place, which moves on behind it."""
        at = self._at[rows]
        byte = self._octet(at)
        value = (byte & 0x7F).astype(np.uint64)
        taken = np.ones(len(rows), np.int64)
        more = np.flatnonzero(byte & 0x80)
        while more.size:
            # Nearly all integers of an event are short: fewer records with each turn.
            byte = self._octet(at[more] + taken[more])
            value[more] |= (byte & 0x7F).astype(np.uint64) << (7 * taken[more]).astype(np.uint64)
            taken[more] += 1
            more = more[(byte & 0x80 != 0) & (taken[more] < _LONGEST)]
        self._at[rows] = at + taken
        plain = value.astype(np.int64)
        return (value >> np.uint64(1)).astype(np.int64) ^ -(plain & 1) if signed else plain

    def _octet(self, at: Places) -> Places:
        return self._bytes[np.minimum(at, self._last)]
