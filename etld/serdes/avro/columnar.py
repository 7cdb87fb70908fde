"""A batch of Kafka values as one data frame, without a Python loop over records.

An Avro container block is nothing but record bodies back to back. So the schema is wrapped in a record
that begins with the wire format's header and ends with a nonce of this batch, and the values, joined by
the nonce, are read as one block. When that way refuses a batch, the records that do not have the schema's
shape are left out, and what is refused still is halved until the bad records are few; those go one by one
through `AvroCodec.decode`, which says what is wrong with them.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from etld.schemas.registry.base import UnknownSchema
from etld.schemas.tree import SchemaError
from etld.serdes import columns, foreign_frames
from etld.serdes.avro import batch_scan, proof, wire
from etld.serdes.avro.codec import codec_of
from etld.serdes.avro.columnar_plan import NONCE, ColumnarPlan, plan
from etld.serdes.avro.varint import long
from etld.serdes.base import ENDS, STAGE, BadRecord, DecodedBatch, DecodeError, announce, broken, in_halves
from etld.serdes.joined import joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.schemas.event_schema import EventSchema
    from etld.serdes.base import SchemaFor

_KEPT = 256
_NEVER = 1 << 62
_HEAD = itemgetter(slice(wire.HEADER))
_NO_ID = bytes(4)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many records the columnar way is taken for.

    `few`: up to this many go record by record, since the fixed cost of a columnar read is more. `halved_to`: a
    batch that the columnar read refused is halved down to this many. Not fewer: Polars writes a line to stderr
    for each absurd length it meets.
    """

    few: int = 100
    halved_to: int = 500


USUAL = Limits()
#: Record by record only.
EXACT = Limits(_NEVER, _NEVER)


def decode(
    values: Sequence[bytes | None],
    schema_for: SchemaFor,
    limits: Limits = USUAL,
    headers: Mapping[int, bytes] = MappingProxyType({}),
) -> DecodedBatch:
    """Decode a batch, columnar or record by record: both ways give equal frames.

    `headers`: see `Format.decode_batch`. `schema_for` raises `UnknownSchema` for an id that no schema has: its records
    are bad. Whatever else it raises comes through, since a registry that is away makes no record bad.
    """
    bad: list[BadRecord] = []
    frames = []
    rows_left: Sequence[int] = range(len(values))
    if headers:
        values = _framed(values, headers, bad)
        wrong = {one.row for one in bad}
        rows_left = [row for row in rows_left if row not in wrong]
    groups = _groups(values, rows_left, bad)
    announce(schema_for, map(wire.reference, groups))
    for head, rows in groups.items():
        reader = _reader(head, schema_for, rows, bad)
        if reader is not None:
            frames += reader.read(values, rows, bad, limits)
    bad.sort(key=lambda one: one.row)
    frames = [frame for frame in frames if frame.height]
    if not frames:
        return DecodedBatch([columns.EMPTY.clone()], bad)
    return DecodedBatch([frames[0]] if len(frames) == 1 else joined(frames), bad)


def _framed(values: Sequence[bytes | None], headers: Mapping[int, bytes], bad: list[BadRecord]) -> list[bytes | None]:
    """The values, with what stands in a header of the record in front of its own."""
    framed = list(values)
    for row, head in headers.items():
        value = values[row]
        try:
            framed[row] = None if value is None else wire.framed(value, head)
        except DecodeError as error:
            bad.append(BadRecord(row, STAGE, error.error_class, str(error)))
    return framed


def _groups(values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord]) -> dict[bytes, Sequence[int]]:
    """Rows by what stands in front of the body of their value; what has none is bad."""
    try:
        heads = set(map(_HEAD, values))  # type: ignore[arg-type]
    except TypeError:  # a tombstone among them
        heads = set()
    if len(heads) == 1 and len(rows) == len(values):
        (head,) = heads
        if len(head) == wire.HEADER and head[0] == 0 and head != wire.LONG:
            return {head: rows}
    groups: dict[bytes, list[int]] = {}
    for row in rows:
        value = values[row]
        if value is not None and len(value) >= wire.HEADER and value[0] == 0 and value[1:5] != _NO_ID:
            head = value[: wire.HEADER]
        else:
            reason = wire.refusal(value)
            if reason is not None:
                bad.append(BadRecord(row, STAGE, reason.error_class, str(reason)))
                continue
            assert value is not None
            head = value[: wire.head_size(value)]
        try:
            groups[head].append(row)
        except KeyError:
            groups[head] = [row]
    return dict(groups)


class _SchemaReader:
    """Reads the records of one schema."""

    def __init__(self, head: bytes, schema: EventSchema) -> None:
        self._head = head
        self._schema = schema
        self._tree = schema.tree
        self._decode = codec_of(schema).decode
        self._taken = columns.taken(schema.tree)
        self._convert = columns.converter(self._taken)

    @cached_property
    def _plan(self) -> ColumnarPlan | None:
        return plan(self._tree, len(self._head))

    def read(
        self, values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord], limits: Limits
    ) -> list[pl.DataFrame]:
        """The frames of `rows`, in pieces; the bad ones are appended to `bad`."""

        def read(some: Sequence[int]) -> tuple[list[pl.DataFrame], list[BadRecord]]:
            found: list[BadRecord] = []
            frames = self._written(values, some, found, limits)
            if self._schema.time is not None:
                frames = [foreign_frames.resolved(self._schema, frame, found) for frame in frames]
            return frames, found

        made, broke = in_halves(read, rows, itemgetter(0), STAGE)
        bad += broke
        for _, found in made:
            bad += found
        return [frame for frames, _ in made for frame in frames]

    def _written(
        self, values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord], limits: Limits
    ) -> list[pl.DataFrame]:
        """In the columns with which they were written."""
        if len(rows) <= limits.few or self._plan is None:
            return [self._exact(values, rows, bad)]
        mine = values if len(rows) == len(values) else [values[row] for row in rows]
        frame = _columnar(self._plan, self._head, mine, rows)
        if frame is not None:
            return [frame]
        suspects = set(batch_scan.misfits(self._tree, mine, len(self._head)))  # type: ignore[arg-type]
        if not suspects:
            return self._halved(values, rows, bad, limits)
        others = [row for at, row in enumerate(rows) if at not in suspects]
        apart = self._exact(values, [rows[at] for at in sorted(suspects)], bad)
        return [*self._halving(values, others, bad, limits.few, limits), apart]

    def _halving(
        self, values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord], few: int, limits: Limits
    ) -> list[pl.DataFrame]:
        """As `read`, without a scan: the rest is halved until the bad records are few."""
        if self._plan is None or len(rows) <= few:
            return [self._exact(values, rows, bad)]
        frame = _columnar(self._plan, self._head, [values[row] for row in rows], rows)
        return [frame] if frame is not None else self._halved(values, rows, bad, limits)

    def _halved(
        self, values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord], limits: Limits
    ) -> list[pl.DataFrame]:
        middle = len(rows) // 2
        left = self._halving(values, rows[:middle], bad, limits.halved_to, limits)
        return left + self._halving(values, rows[middle:], bad, limits.halved_to, limits)

    def _exact(self, values: Sequence[bytes | None], rows: Sequence[int], bad: list[BadRecord]) -> pl.DataFrame:
        good, events = [], []
        size = len(self._head)
        for row in rows:
            value = values[row]
            assert value is not None
            try:
                events.append(self._convert(self._decode(value[size:])))
                good.append(row)
            except DecodeError as error:
                bad.append(BadRecord(row, STAGE, error.error_class, str(error)))
            except ENDS:
                raise
            except BaseException as error:
                bad.append(broken(row, STAGE, error))
        return columns.frame(self._taken, good, events)


def _reader(head: bytes, schema_for: SchemaFor, rows: Sequence[int], bad: list[BadRecord]) -> _SchemaReader | None:
    named = wire.reference(head)
    try:
        schema = schema_for(named)
    except UnknownSchema as error:
        bad.extend(BadRecord(row, STAGE, "UnknownSchemaId", str(error)) for row in rows)
        return None
    except SchemaError as error:
        text = f"schema {named} is no event's: {error}"
        bad.extend(BadRecord(row, STAGE, "NotAnEventSchema", text) for row in rows)
        return None
    try:
        return _reader_of(head, schema)
    except ENDS:
        raise
    except BaseException as error:
        bad.extend(broken(row, STAGE, error) for row in rows)
        return None


@lru_cache(_KEPT)
def _reader_of(head: bytes, schema: EventSchema) -> _SchemaReader:
    return _SchemaReader(head, schema)


def _columnar(
    way: ColumnarPlan, head: bytes, values: Sequence[bytes | None], rows: Sequence[int]
) -> pl.DataFrame | None:
    """The frame of `values`, None when it is not certain that they were read right."""
    nonce = os.urandom(NONCE)
    sync = os.urandom(16)
    sizes = np.fromiter(map(len, values), np.int64, len(values))  # type: ignore[arg-type]
    head_of_file = b"".join(
        (
            b"Obj\x01\x04\x16avro.schema",
            long(len(way.wrapped)),
            way.wrapped,
            b"\x14avro.codec\x08null\x00",
            sync,
            long(len(values)),
            long(int(sizes.sum()) + NONCE * len(values)),
        )
    )
    # One join, since each copies the whole batch.
    first, *others = values
    assert first is not None
    container = nonce.join((head_of_file + first, *others, sync))  # type: ignore[arg-type]
    ends = len(head_of_file) + np.cumsum(sizes + NONCE) - NONCE
    try:
        read = pl.read_avro(io.BytesIO(container))
        if read.height != len(values):
            return None
        read = way.flat(read)
        same = ((pl.col("_header") == pl.lit(head)) & (pl.col("_nonce") == pl.lit(nonce))).all()
        if read.select(pl.all_horizontal(same, *way.checks)).item() is not True:
            return None
        walk = proof.Walk(container, ends - sizes + len(head), ends, proof.known(read, way.measures))
        if not walk.proves(way.top):
            return None
        return read.select(pl.Series("row", rows, pl.UInt32()), *way.columns)
    except ENDS:
        raise
    except BaseException:
        # ComputeError, OSError, or PanicException, which is no Exception: the exact way finds the reason.
        return None
