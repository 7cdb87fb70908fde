"""A frame as the bytes that `COPY … (FORMAT binary)` reads, without a Python loop over rows.

The format is PostgreSQL's (documentation of COPY, "Binary Format"): a header, for each row the number of its
fields and each field with its length before it, and a trailer; all integers big-endian. PostgreSQL reads it
a quarter faster than text, since it parses no UUID, no time and no quotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from etld.serdes import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Packed = np.ndarray[Any, Any]

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
# Microseconds from 1970, where Avro's times begin, to 2000, where PostgreSQL's do.
_EPOCH = 946_684_800_000_000
_NUMBERS = {"integer": ">i4", "bigint": ">i8", "timestamptz": ">i8"}
_LENGTH = ">i4"
# The first byte of a jsonb is the version of its binary form.
_JSONB_VERSION = b"\x01"
# From so many rows on, PostgreSQL puts them into an index faster when they come in its order: each of its pages is
# looked for once and is still in the cache for the next row.
_MANY = 1000
# Of a frame that is made into bytes at once.
_VALUES = 2_000_000


def to_binary(
    frames: pl.DataFrame | Sequence[pl.DataFrame], columns: Mapping[str, str], unique: str | None = None
) -> bytes:
    """The same as `rows_of`, whole."""
    return b"".join(rows_of(frames, columns, unique).pieces())


@dataclass(frozen=True, slots=True)
class BinaryRows:
    """Rows in the binary form, of which some may be left out.

    `data` are all of them, one after the other; `ends` where each ends; `order` which of the frames' rows it is; `keys`
    their 16 bytes in the unique column, one after the other.
    """

    data: Packed
    ends: Packed
    order: Packed
    keys: bytes

    def pieces(self, without: Packed | None = None) -> Iterator[bytes | memoryview]:
        """What COPY reads, `without` the rows that this mask of them marks."""
        yield _HEADER
        rows, begin = self.data.data, 0
        for at in [] if without is None else np.flatnonzero(without).tolist():
            yield rows[begin : self.ends[at - 1] if at else 0]
            begin = self.ends[at]
        yield rows[begin:]
        yield _TRAILER


def rows_of(
    frames: pl.DataFrame | Sequence[pl.DataFrame], columns: Mapping[str, str], unique: str | None = None
) -> BinaryRows:
    """`columns` of the rows, which must be storable, as bytes for COPY … (FORMAT binary).

    Each is written as the type of its column in the table: uuid, jsonb, timestamptz, integer, bigint, else text.
    Null becomes SQL NULL. A struct becomes JSON, and so does any other type in a jsonb column. The many rows of a
    backlog come in the order of `unique`, a uuid column without nulls that has an index, and few as they are.
    """
    if isinstance(frames, pl.DataFrame):
        frames = [frames]
    data, sizes, order = [np.empty(0, np.uint8)], [np.empty(0, np.int64)], [np.empty(0, np.intp)]
    keys, height = [], 0
    for piece in chain.from_iterable(map(_pieces, frames)):
        if piece.height:
            row = _row(piece, columns, unique)
            rows = row.joined()
            sizes.append(rows.bin.size().cast(pl.Int64).to_numpy())
            # As one run of bytes at once: an object of Python for each row would cost five times as much.
            data.append(rows.cast(pl.List(pl.UInt8)).explode().to_numpy())
            order.append(row.order + height)
            keys.append(row.keys)
            height += piece.height
    return BinaryRows(_one(data), np.cumsum(_one(sizes)), _one(order), b"".join(keys))


def _one(parts: list[Packed]) -> Packed:
    """All parts, of which the first is empty, without a copy of one that is alone."""
    return parts[1] if len(parts) == 2 else np.concatenate(parts)


def _pieces(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The frame; of very many fields in pieces, since its text is copied a few times on its way."""
    return frame.iter_slices(max(_MANY, _VALUES // max(1, sum(map(_values, frame.dtypes)))))


def _values(dtype: object) -> int:
    """How many columns of values there are in a column."""
    return sum(_values(field.dtype) for field in dtype.fields) if isinstance(dtype, pl.Struct) else 1


def _row(frame: pl.DataFrame, columns: Mapping[str, str], unique: str | None) -> _Row:
    row = _Row(frame.height, len(columns))
    for name, kind in columns.items():
        column = frame[name]
        if not column.null_count() and (fixed := _fixed(column, kind)) is not None:
            row.fixed(fixed)
            if name == unique:
                row.known_by(fixed)
        elif kind == "jsonb":
            row.variable(json_text.column(column).cast(pl.Binary), _JSONB_VERSION)
        elif kind in _NUMBERS or kind == "uuid":
            row.variable(_where_there(column, kind))
        else:
            row.variable(column.cast(pl.Binary))
    return row


class _Row:
    """All rows at once: what has a fixed size is packed side by side, and joined with the rest in few steps."""

    def __init__(self, height: int, fields: int) -> None:
        self._height = height
        self._pieces: list[pl.Series] = []
        self._order: Packed | None = None  # None: as they come
        self._uuids: Packed | None = None
        self._run: list[tuple[str, Any]] = [(">i2", fields)]

    def fixed(self, values: Packed) -> None:
        """A field whose values all have the size of the array's type."""
        self._run += [(_LENGTH, values.itemsize), (values.dtype.str, values)]

    def variable(self, values: pl.Series, before: bytes = b"") -> None:
        """A field of bytes, null for NULL; `before` stands before each value."""
        sizes = values.bin.size().cast(pl.Int64) + len(before)
        self._run.append((_LENGTH, sizes.fill_null(-1).to_numpy()))
        if before and values.null_count():
            values = pl.select(pl.lit(before) + values).to_series()
        elif before:
            self._run.append((f"V{len(before)}", np.void(before)))
        self._close()
        self._pieces.append(values.fill_null(b"") if values.null_count() else values)

    @property
    def order(self) -> Packed:
        """Which row each one is."""
        return np.arange(self._height) if self._order is None else self._order

    @property
    def keys(self) -> bytes:
        """The UUIDs that they are known by, in that order."""
        if self._uuids is None:
            return b""
        return (self._uuids if self._order is None else self._uuids[self._order]).tobytes()

    def known_by(self, uuids: Packed) -> None:
        """Put many rows in the order of these UUIDs (of the first half of them, which tells random ones apart)."""
        self._uuids = uuids
        if self._height >= _MANY:
            self._order = np.argsort(uuids.view(">u8")[::2])

    def joined(self) -> pl.Series:
        """The rows, in that order."""
        if self._run:
            self._close()
        columns = pl.DataFrame([piece.alias(str(i)) for i, piece in enumerate(self._pieces)])
        # What is joined is needed no more, and each copy is megabytes.
        self._pieces = []
        parts = [pl.col(name) for name in columns.columns]
        # In pairs, then pairs of pairs: one after the other would copy the growing row for each.
        while len(parts) > 1:
            parts = [sum(parts[i + 1 : i + 2], parts[i]) for i in range(0, len(parts), 2)]
        rows = columns.select(parts[0]).to_series()
        del columns
        return rows if self._order is None else rows.gather(self._order)

    def _close(self) -> None:
        packed = np.empty(self._height, [(str(i), dtype) for i, (dtype, _) in enumerate(self._run)])
        for i, (_, values) in enumerate(self._run):
            packed[str(i)] = values
        self._pieces.append(_bytes(packed))
        self._run = []


def _fixed(column: pl.Series, kind: str) -> Packed | None:
    """The values of a type of fixed size, None for another; needs a column without nulls."""
    if kind in _NUMBERS:
        numbers = column.to_physical() - _EPOCH if kind == "timestamptz" else column
        return numbers.to_numpy().astype(_NUMBERS[kind])
    if kind == "uuid":
        return np.frombuffer(bytes.fromhex(column.str.join().item().replace("-", "")), "V16")
    return None


def _where_there(column: pl.Series, kind: str) -> pl.Series:
    """The bytes of a type of fixed size, null where the column is."""
    there = column.is_not_null()
    packed = _fixed(column.drop_nulls(), kind)
    assert packed is not None
    found = _bytes(packed) if len(packed) else pl.Series([], dtype=pl.Binary)
    return found.gather(pl.select(pl.when(there).then(there.cast(pl.UInt32).cum_sum() - 1)).to_series())


def _bytes(records: Packed) -> pl.Series:
    """The bytes of each element."""
    octets = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
    return pl.Series(octets).cast(pl.List(pl.UInt8)).cast(pl.Binary)
