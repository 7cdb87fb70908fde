"""Parquet files of a table of the lake: written, read, and put away."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform, Transform
from pyiceberg.typedef import Record

from etld.sinks.postgres.columns import ACCEPTED_AT, EVENT_ID, PARTITION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.io import FileIO
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.table import Table

#: A snapshot whose summary has this holds no event that the one before it does not.
SAME_ROWS: Final = "etld.same-rows"

# What a commit writes is soon put together with others.
_COMPRESSION, _LEVEL, _QUICK = "zstd", 3, 1
_ROW_GROUP = 1 << 18
# Rows that are read at once.
_PART = 1 << 16
_MICROS = {DayTransform: 86_400_000_000, HourTransform: 3_600_000_000}


def write(table: Table, rows: pa.Table) -> Iterator[DataFile]:
    """One file for each partition of the table that rows are of; each is told as soon as it is there.

    `rows` may lack columns that the table has. Raises whatever the storage raises.
    """
    schema = table.schema()
    arrow = schema_to_pyarrow(schema)
    rows = _in_order(rows, arrow)
    for value, piece in _pieces(table.spec(), rows):
        yield _write(table, piece, Record(*value))


def delete(io: FileIO, paths: list[str]) -> None:
    """Put away files that no snapshot has; what stays is an orphan."""
    for path in paths:
        with contextlib.suppress(OSError):
            io.delete(path)


def read_ids(io: FileIO, path: str) -> tuple[bytes, np.ndarray[Any, np.dtype[np.int64]]]:
    """(16 bytes of each event's id, when Kafka took it in microseconds since 1970) of a file."""
    with io.new_input(path).open() as stream:
        found = pq.read_table(stream, columns=[EVENT_ID, ACCEPTED_AT])
    ids = found[EVENT_ID].combine_chunks()
    if isinstance(ids, pa.ChunkedArray):
        ids = pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.binary(16))
    stored = ids.storage if isinstance(ids, pa.ExtensionArray) else ids
    octets = bytes(memoryview(stored.buffers()[1])[16 * stored.offset : 16 * (stored.offset + len(stored))])
    accepted = found[ACCEPTED_AT].cast(pa.int64()).to_numpy()
    return octets, accepted


def by_partition(numbers: pa.ChunkedArray | pa.Array) -> dict[int, int]:
    """How many rows there are of each partition of the topic; -1: of rows that name none."""
    values, counts = np.unique(pc.fill_null(numbers, -1).to_numpy(), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def counts(table: Table, file: DataFile) -> dict[int, int]:
    """How many rows a file has of each partition of the topic; raises whatever the storage raises.

    Its bounds tell it where all are of one.
    """
    field_id = table.schema().find_field(PARTITION).field_id
    bounds = [(found or {}).get(field_id) for found in (file.lower_bounds, file.upper_bounds)]
    if bounds[0] is not None and bounds[0] == bounds[1] and not (file.null_value_counts or {}).get(field_id):
        return {int.from_bytes(bounds[0], "little", signed=True): file.record_count}
    with table.io.new_input(file.file_path).open() as source:
        read = pq.ParquetFile(source)
        names = {_field_id(field): field.name for field in read.schema_arrow}
        return by_partition(read.read(columns=[names[field_id]]).column(0))


def newest(file: DataFile, field_id: int) -> int:
    """When the newest event of a file was taken, in microseconds; of a file that does not say, the end of time."""
    bound = (file.upper_bounds or {}).get(field_id)
    return int.from_bytes(bound, "little", signed=True) if bound is not None else 1 << 62


def oldest(file: DataFile, field_id: int) -> int:
    """When the oldest was; of a file that does not say, the beginning of time."""
    bound = (file.lower_bounds or {}).get(field_id)
    return int.from_bytes(bound, "little", signed=True) if bound is not None else 0


def _in_order(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the table, with their field ids; large text stays so, for the file is the same."""
    arrays, fields = [], []
    for field in schema:
        if field.name in rows.column_names:
            values = rows[field.name]
            if not pa.types.is_large_string(values.type) and values.type != field.type:
                values = values.cast(field.type)
        else:
            values = pa.nulls(rows.num_rows, field.type)
        arrays.append(values)
        fields.append(pa.field(field.name, values.type, nullable=True, metadata=field.metadata))
    return pa.table(arrays, schema=pa.schema(fields))


def _pieces(spec: PartitionSpec, rows: pa.Table) -> Iterator[tuple[tuple[int, ...], pa.Table]]:
    """The rows of each partition, with its value; a table that somebody partitioned otherwise is refused."""
    if not spec.fields:
        yield (), rows
        return
    values = _values(spec.fields[0].transform, rows[ACCEPTED_AT])
    found = np.unique(values)
    for value in found.tolist():
        yield (value,), rows if len(found) == 1 else rows.filter(pa.array(values == value))


def _values(transform: Transform[Any, Any], accepted: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The value of the partition of each row."""
    if isinstance(transform, MonthTransform):
        years, months = pc.year(accepted).to_numpy(), pc.month(accepted).to_numpy()
        return (years - 1970) * 12 + months - 1  # type: ignore[no-any-return]
    micros = accepted.cast(pa.int64()).to_numpy()
    found: np.ndarray[Any, np.dtype[np.int64]] = micros // _MICROS[type(transform)]
    return found


def _write(table: Table, rows: pa.Table, partition: Record) -> DataFile:
    return stream(table, rows.schema, iter([rows]), partition, _QUICK)


def stream(
    table: Table, schema: pa.Schema, parts: Iterator[pa.Table], partition: Record, level: int = _LEVEL
) -> DataFile:
    """One file of the rows that come in parts, of that partition of the table; raises what the storage raises.

    `level` is that of zstd.
    """
    path = table.location_provider().new_data_location(f"{uuid.uuid4()}.parquet")
    output = table.io.new_output(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    options = {"compression": _COMPRESSION, "compression_level": level, "use_dictionary": texts, "store_schema": False}
    try:
        with output.create() as out, pq.ParquetWriter(out, schema, **options) as writer:
            for part in parts:
                writer.write_table(part, row_group_size=_ROW_GROUP)
    except BaseException:
        delete(table.io, [path])
        raise
    its_schema, properties = table.schema(), table.metadata.properties
    statistics = data_file_statistics_from_parquet_metadata(
        writer.writer.metadata, compute_statistics_plan(its_schema, properties), parquet_path_to_id_mapping(its_schema)
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=len(table.io.new_input(path)),
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def read(table: Table, path: str) -> Iterator[pa.Table]:
    """The rows of a file in parts, with the columns that the table has now: by field id, whatever they were called."""
    schema = schema_to_pyarrow(table.schema())
    with table.io.new_input(path).open() as source:
        file = pq.ParquetFile(source)
        names = {_field_id(field): field.name for field in file.schema_arrow}
        for batch in file.iter_batches(batch_size=_PART):
            arrays = []
            for field in schema:
                name = names.get(_field_id(field))
                values = pa.nulls(batch.num_rows, field.type) if name is None else batch.column(name)
                arrays.append(values if values.type == field.type else _as_type(values, field.type))
            yield pa.table(arrays, schema=schema)


def _field_id(field: pa.Field) -> int:
    return int((field.metadata or {}).get(b"PARQUET:field_id", -1))


def _as_type(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(kind, values.cast(kind.storage_type))
    return values.cast(kind)
