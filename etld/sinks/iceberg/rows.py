"""Events as rows of a table of the lake: from the frame of a batch to Arrow, without a loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from etld.serdes import json_text
from etld.serdes.columns import JSON_TEXT
from etld.sinks.iceberg.files import by_partition
from etld.sinks.iceberg.layout import FIXED
from etld.sinks.postgres.columns import ACCEPTED_AT, EVENT_ID, PARTITION
from etld.sinks.postgres.deduplication.id_filter import as_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from etld.sinks.iceberg.known_ids import Mask
    from etld.sinks.postgres.deduplication.id_filter import Numbers
    from etld.sinks.postgres.view_columns import ViewColumn

_UUID_BYTES = 16
_UTC = pl.Datetime("us", "UTC")
#: Polars' types of columns that are no text, by their types in PostgreSQL; a decimal has one of its own.
TYPES: dict[str, pl.DataType] = {
    "bigint": pl.Int64(),
    "integer": pl.Int32(),
    "double precision": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamp": pl.Datetime("us"),
    "timestamptz": _UTC,
}


@dataclass(frozen=True, slots=True)
class LakeRows:
    """Rows in the order of their coming, by the `columns` that they are made for.

    `ids` are their event ids as two numbers each, `accepted` when Kafka took them (microseconds since 1970). `erasures`
    is the step up to which subjects that were forgotten are left out.
    """

    table: pa.Table
    columns: tuple[ViewColumn, ...]
    ids: Numbers
    accepted: np.ndarray[Any, np.dtype[np.int64]]
    erasures: int = 0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self.table.nbytes) + self.ids.nbytes + self.accepted.nbytes

    def where(self, mask: Mask) -> LakeRows:
        """Only those that are marked."""
        table = self.table.filter(pa.array(mask))
        return LakeRows(table, self.columns, self.ids[mask], self.accepted[mask], self.erasures)

    def counts(self) -> dict[int, int]:
        """How many rows there are of each partition of the topic."""
        return by_partition(self.table[PARTITION])

    def without(self, partitions: Collection[int]) -> LakeRows:
        """Without those of some partitions of the topic."""
        return self.where(~np.isin(self.table[PARTITION].to_numpy(), list(partitions)))


def rows_of(frames: Sequence[pl.DataFrame], columns: tuple[ViewColumn, ...]) -> LakeRows | None:
    """The rows of frames of events, None for none; raises ValueError for an event id that is no UUID."""
    return joined([_rows(frame, columns) for frame in frames if frame.height])


def joined(parts: Sequence[LakeRows]) -> LakeRows | None:
    """One after the other; their memory is shared."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return LakeRows(
        pa.concat_tables([one.table for one in parts]),
        parts[0].columns,
        np.concatenate([one.ids for one in parts]),
        np.concatenate([one.accepted for one in parts]),
        min(one.erasures for one in parts),
    )


def _rows(frame: pl.DataFrame, columns: tuple[ViewColumn, ...]) -> LakeRows:
    octets = bytes.fromhex(frame[EVENT_ID].str.join().item().replace("-", ""))
    if len(octets) != _UUID_BYTES * frame.height:
        raise ValueError("an event id is no UUID")
    made: list[pl.Series] = []
    for name, (kind, _) in FIXED.items():
        if name != EVENT_ID:
            made.append(_as(frame[name], kind).alias(name))
    fields = {name: _fields(frame[name]) for name in {one.details for one in columns} if name in frame.columns}
    for one in columns:
        values = fields.get(one.details, {}).get(one.field)
        if values is None:
            values = pl.repeat(None, frame.height, dtype=pl.String, eager=True)
        made.append(_as(values, one.type).alias(one.name))
    table = pl.DataFrame(made).to_arrow(compat_level=pl.CompatLevel.oldest())
    arrays = {name: _narrow(table.column(name), kind) for name, kind in _kinds(columns) if name != EVENT_ID}
    ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_UUID_BYTES), frame.height, [None, pa.py_buffer(octets)])
    arrays = {EVENT_ID: pa.chunked_array([pa.ExtensionArray.from_storage(pa.uuid(), ids)]), **arrays}
    accepted = frame[ACCEPTED_AT].cast(_UTC).to_physical().to_numpy()
    return LakeRows(pa.table(arrays), columns, as_numbers(octets), accepted)


def _kinds(columns: Sequence[ViewColumn]) -> list[tuple[str, str]]:
    return [*((name, kind) for name, (kind, _) in FIXED.items()), *((one.name, one.type) for one in columns)]


def _fields(details: pl.Series) -> dict[str, pl.Series]:
    """The fields of the details; where there are none the details are a null."""
    if not isinstance(details.dtype, pl.Struct) or not details.dtype.fields:
        return {}
    return {one.name: one for one in details.struct.unnest()}


def _as(values: pl.Series, kind: str) -> pl.Series:
    """The values of a column's type; null for those that are of another, as older schemas have it."""
    if kind == "jsonb":
        return json_text.column(values)
    nested = isinstance(values.dtype, pl.Struct | pl.List) or values.dtype == JSON_TEXT
    if kind == "text":
        return json_text.column(values) if nested else values.cast(pl.String)
    if nested:  # which no value of another type is, though Polars would cast what is inside
        values = pl.repeat(None, len(values), dtype=pl.String, eager=True)
    if kind == "uuid":
        return _uuids(values.cast(pl.String))
    wanted = _decimal(kind) or TYPES[kind]
    try:
        return values.cast(wanted, strict=False)
    except pl.exceptions.PolarsError:  # such as a boolean for a date
        return pl.repeat(None, len(values), dtype=wanted, eager=True)


def _uuids(values: pl.Series) -> pl.Series:
    octets = values.str.replace_all("-", "", literal=True).str.decode("hex", strict=False)
    fits = octets.bin.size() == _UUID_BYTES
    return octets if fits.all() else octets.zip_with(fits.fill_null(False), pl.Series([None], dtype=pl.Binary))


def _decimal(kind: str) -> pl.DataType | None:
    digits = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return pl.Decimal(int(digits[0]), int(digits[1])) if len(digits) == 2 else None


def _narrow(values: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """What Polars has in another way than Iceberg: times of a day in nanoseconds, UUIDs as bytes of any length."""
    if kind == "time":
        return values.cast(pa.time64("us"), safe=False)
    if kind == "uuid":
        stored = values.cast(pa.binary()).cast(pa.binary(_UUID_BYTES))
        chunks = [pa.ExtensionArray.from_storage(pa.uuid(), chunk) for chunk in stored.chunks]
        return pa.chunked_array(chunks, pa.uuid())
    return values
