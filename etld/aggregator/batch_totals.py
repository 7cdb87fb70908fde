"""One batch summed up: a frame of events becomes the rows that a summary's table has to gain."""

from __future__ import annotations

from collections import defaultdict
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.summaries.model import ORIGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.summaries.model import EventField, Measure, Summary

Columns = list[list[Any]]

# Decimal(38, 20) holds a double's shortest text exactly when it has no more than 20 digits behind the
# point, which a number of 17 digits from 1e-3 on has not, and a million of them up to 1e12 add up in it.
_EXACT = pl.Decimal(38, 20)
_SMALLEST, _LARGEST = 1e-3, 1e12
_CONTEXT = Context(prec=1500)
_DAY = 86400
_DTYPES: dict[str, Any] = {
    "text": pl.String,
    "boolean": pl.Boolean,
    "integer": pl.Int64,
    "bigint": pl.Int64,
    "real": pl.Float32,
    "double precision": pl.Float64,
    "numeric": pl.String,
    "timestamptz": pl.Int64,
}


def totals(frames: Sequence[pl.DataFrame], summary: Summary) -> Columns | None:
    """The rows for `etld.summaries.tables.add`, as columns in its order; None when no event counts.

    Each frame holds the distinct events of one event type.
    """
    chosen = [_chosen(frame, summary) for frame in frames if frame.height]
    chosen = [frame for frame in chosen if frame.height]
    if not chosen:
        return None
    events = chosen[0] if len(chosen) == 1 else pl.concat(chosen)
    keys = ["bucket", *(f"g{i}" for i in range(len(summary.groups)))]
    exact = [i for i, measure in enumerate(summary.measures) if measure.function in ("sum", "avg")]
    rough = {i: events.filter(~pl.col(f"x{i}") & pl.col(f"m{i}").is_not_null()) for i in exact}
    rows = (
        events.group_by(keys)
        .agg([expr for i, m in enumerate(summary.measures) for expr in _aggregates(i, m)])
        .sort(keys, nulls_last=True)
    )
    columns: Columns = [
        (rows["bucket"] // _DAY).to_list(),
        (rows["bucket"] % _DAY).to_list(),
        *(rows[key].to_list() for key in keys[1:]),
    ]
    for i, measure in enumerate(summary.measures):
        if i in rough:
            columns.append(_sums(rows, f"m{i}", rough[i], keys))
            if measure.function == "avg":
                columns.append(rows[f"n{i}"].to_list())
        elif measure.field is not None and measure.field.type == "timestamptz":
            columns.append([None if v is None else _instant(v) for v in rows[f"m{i}"].to_list()])
        else:
            columns.append(rows[f"m{i}"].to_list())
    return columns


def _chosen(frame: pl.DataFrame, summary: Summary) -> pl.DataFrame:
    """The summary's columns of the events that it counts: bucket, g0…, and m0…, x0… of the measures."""
    if frame["event_type"][0] not in summary.event_types:
        return frame.clear().select(pl.col("row"))
    for one in summary.filters:
        frame = frame.filter(_value(frame, one.field).is_in(list(one.values)).fill_null(False))
    seconds = pl.col("triggered_at").dt.epoch("us") // 1_000_000 - ORIGIN_SECONDS
    columns = [((seconds // summary.bucket) * summary.bucket + ORIGIN_SECONDS).alias("bucket")]
    for i, group in enumerate(summary.groups):
        value = _value(frame, group.field)
        if group.field.type == "text":
            value = value.str.head(summary.text_limit)
        columns.append(value.alias(f"g{i}"))
    for i, measure in enumerate(summary.measures):
        if measure.field is None:
            continue
        value = _value(frame, measure.field)
        columns.append(value.alias(f"m{i}"))
        if measure.function in ("sum", "avg"):
            size = value.cast(pl.Float64, strict=False).abs()
            columns.append(((size == 0) | ((size >= _SMALLEST) & (size < _LARGEST))).alias(f"x{i}"))
    return frame.select(columns)


def _aggregates(i: int, measure: Measure) -> list[pl.Expr]:
    value = pl.col(f"m{i}")
    if measure.function == "count":
        return [pl.len().alias(f"m{i}")]
    if measure.function in ("min", "max"):
        return [value.min() if measure.function == "min" else value.max()]
    some = value.is_not_null().sum().alias(f"n{i}")
    plain = pl.when(pl.col(f"x{i}")).then(value).otherwise(None).cast(_EXACT, strict=False)
    return [plain.sum(), some]


def _sums(rows: pl.DataFrame, name: str, rough: pl.DataFrame, keys: list[str]) -> list[str | None]:
    """Exact sums as text; the few numbers too large or too small for the native sum are added one by one."""
    more: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for row in rough.select(*keys, name).iter_rows():
        more[row[:-1]] = _CONTEXT.add(more[row[:-1]], Decimal(row[-1]))
    counts = rows["n" + name[1:]].to_list()
    sums: list[str | None] = []
    for key, value, count in zip(rows.select(keys).iter_rows(), rows[name].to_list(), counts, strict=True):
        if not count:
            sums.append(None)
            continue
        total = value if value is not None else Decimal(0)
        if key in more:
            total = _CONTEXT.add(total, more[key])
        sums.append(f"{_CONTEXT.normalize(total):f}")
    return sums


def _value(frame: pl.DataFrame, field: EventField) -> pl.Expr:
    """A field in the type its column has; null where a version of the schema does not know it."""
    dtype: Any = frame.schema.get(field.path[0])
    value = pl.col(field.path[0])
    for part in field.path[1:]:
        inner = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        if part not in inner:
            return pl.lit(None, dtype=_DTYPES[field.type])
        dtype = inner[part]
        value = value.struct.field(part)
    if field.type == "timestamptz":
        return value.dt.epoch("us")
    if field.type == "numeric":
        # By way of the text that also stands in the table's jsonb: 19.99 is 19.99.
        return value.cast(pl.String)
    if field.type == "double precision" and dtype == pl.Float32:
        return value.cast(pl.String).cast(pl.Float64)
    return value.cast(_DTYPES[field.type])


def _instant(micros: int) -> str:
    # PostgreSQL reads a Julian day and a time of day; within the years 1 to 9999 ISO text is plainer.
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
