"""One batch summed up: a frame of events becomes the rows that a summary's table has to gain."""

from __future__ import annotations

from collections import defaultdict
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.aggregator.field_value import field_value
from etld.summaries.model import DAY, ORIGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.summaries.model import Measure, Summary

Columns = list[list[Any]]

# Decimal(38, 20) holds a double's shortest text exactly when it has no more than 20 digits behind the
# point, which a number of 17 digits from 1e-3 on has not, and a million of them up to 1e12 add up in it.
_EXACT = pl.Decimal(38, 20)
_SMALLEST, _LARGEST = 1e-3, 1e12
# The longest text of such a number; a decimal of a schema may have more digits.
_LONGEST = 22
_CONTEXT = Context(prec=20_000)
# 1973-01-01, in seconds from ORIGIN: by then the last place with odd seconds had changed its clock.
_BY_MINUTES = 94_694_400 - ORIGIN_SECONDS


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
        (rows["bucket"] // DAY).to_list(),
        (rows["bucket"] % DAY).to_list(),
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
        frame = frame.filter(field_value(frame, one.field).is_in(list(one.values)).fill_null(False))
    seconds = pl.col("triggered_at").dt.epoch("us") // 1_000_000 - ORIGIN_SECONDS
    bucket = (seconds // summary.bucket) * summary.bucket
    if summary.local:
        # Which day a time is of is told by PostgreSQL alone: it is asked for each minute, and for each second of the
        # years in which clocks were not set by minutes.
        bucket = pl.when(seconds < _BY_MINUTES).then(seconds).otherwise((seconds // 60) * 60)
    columns = [(bucket + ORIGIN_SECONDS).alias("bucket")]
    for i, group in enumerate(summary.groups):
        value = field_value(frame, group.field)
        if group.field.type == "text":
            value = value.str.head(summary.text_limit)
        columns.append(value.alias(f"g{i}"))
    for i, measure in enumerate(summary.measures):
        if measure.field is None:
            continue
        value = field_value(frame, measure.field)
        columns.append(value.alias(f"m{i}"))
        if measure.function in ("sum", "avg"):
            size = value.cast(pl.Float64, strict=False).abs()
            plain = ((size == 0) | ((size >= _SMALLEST) & (size < _LARGEST))) & (value.str.len_bytes() <= _LONGEST)
            columns.append(plain.alias(f"x{i}"))
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


def _instant(micros: int) -> str:
    # PostgreSQL reads a Julian day and a time of day; within the years 1 to 9999 ISO text is plainer.
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
