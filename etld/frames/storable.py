"""What PostgreSQL will not take, found natively on the frame before anything is sent.

Processor and aggregator both ask here, so that a record the one makes a dead letter is a record the
other does not count. The limits are those of `etld.events.limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from etld.events.limits import TIME_MAX, TIME_MIN
from etld.serdes.base import BadRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAGE = "VALIDATION"
_HEAD = ("row", "event_id", "event_name", "event_type", "triggered_at")
_CHECKED_WHOLE = frozenset({"row", "event_id", "triggered_at"})
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# In JSON text (`columns.JSON_TEXT`) it is escaped, and so is a backslash before it.
_HAS_NUL: dict[type[pl.DataType], Callable[[pl.Expr], pl.Expr]] = {
    pl.String: lambda leaf: leaf.str.contains("\0", literal=True),
    pl.Binary: lambda leaf: leaf.cast(pl.String).str.contains(r"(?:^|[^\\])(?:\\\\)*\\u0000"),
}


def unstorable(frame: pl.DataFrame, event_type: str | None = None) -> list[BadRecord]:
    """The rows that PostgreSQL would refuse, each with the first reason found; [] for nearly every batch.

    `event_type` is the type the topic carries: a record that says another is refused too.
    """
    leaves = {name: list(_leaves(frame[name])) for name in frame.columns if name not in _CHECKED_WHOLE}
    flat = frame.select(_HEAD).with_columns(leaf for some in leaves.values() for leaf in some)
    checks = [*_checks(event_type), *_checks_of_values(leaves)]
    flags = flat.select([expr.any(ignore_nulls=True).alias(str(i)) for i, (_, _, expr) in enumerate(checks)])
    hit = [i for i, value in enumerate(flags.row(0)) if value]
    found: dict[int, BadRecord] = {}
    for i in hit:
        error_class, message, expr = checks[i]
        for row in flat.filter(expr.fill_null(False))["row"].to_list():
            found.setdefault(row, BadRecord(row, STAGE, error_class, message))
    return [found[row] for row in sorted(found)]


def _leaves(values: pl.Series, path: str = "") -> Iterator[pl.Series]:
    """The columns that hold something, below a column, named by their places.

    An expression on a struct would look for each of its fields among all others.
    """
    path = path or f"{values.name}."
    if isinstance(values.dtype, pl.Struct):
        for at, inner in enumerate(values.struct.unnest() if values.dtype.fields else ()):
            yield from _leaves(inner, f"{path}{at}.")
    elif values.null_count() < len(values):
        yield values.alias(path)


def _checks(event_type: str | None) -> Iterator[tuple[str, str, pl.Expr]]:
    event_id = pl.col("event_id")
    yield (
        "InvalidEventId",
        "event_id is not a UUID",
        event_id.is_null() | ~event_id.str.contains(_UUID),
    )
    if event_type is not None:
        yield (
            "WrongEventType",
            f"event_type is not {event_type!r}, which this topic carries",
            pl.col("event_type").ne_missing(pl.lit(event_type)),
        )
    for name in ("event_name", "event_type", "triggered_at"):
        yield "MissingField", f"{name} is null", pl.col(name).is_null()
    # As Int64 and before anything is written: the extremes make a conversion panic.
    micros = pl.col("triggered_at").to_physical()
    yield (
        "TimeOutOfRange",
        "triggered_at is outside the years 1 to 9999",
        (micros < TIME_MIN) | (micros > TIME_MAX),
    )


def _checks_of_values(leaves: Mapping[str, list[pl.Series]]) -> Iterator[tuple[str, str, pl.Expr]]:
    for name, some in leaves.items():
        for kind, has_nul in _HAS_NUL.items():
            for leaf in some:
                nul = _anywhere(pl.col(leaf.name), leaf.dtype, kind, has_nul)
                if nul is not None:
                    yield "NulCharacter", f"{name} holds the character U+0000, which PostgreSQL does not store", nul
        for kind in (pl.Float64, pl.Float32):
            for leaf in some:
                wild = _anywhere(pl.col(leaf.name), leaf.dtype, kind, lambda value: ~value.is_finite())
                if wild is not None:
                    yield "NotFinite", f"{name} holds a number that is not finite (NaN or infinity)", wild


def _anywhere(expr: pl.Expr, dtype: pl.DataType, kind: type[pl.DataType], test: object) -> pl.Expr | None:
    """Does any leaf of type `kind` below `expr` pass `test`? None when there is no such leaf."""
    if isinstance(dtype, pl.Struct):
        inner = [
            found
            for field in dtype.fields
            if (found := _anywhere(expr.struct.field(field.name), _instance(field.dtype), kind, test)) is not None
        ]
        return pl.any_horizontal(inner) if inner else None
    if isinstance(dtype, pl.List | pl.Array):
        below = _anywhere(pl.element(), _instance(dtype.inner), kind, test)
        if below is None:
            return None
        listed = expr if isinstance(dtype, pl.List) else expr.arr.to_list()
        return listed.list.eval(below).list.any()
    if isinstance(dtype, kind):
        assert callable(test)
        return test(expr)  # type: ignore[no-any-return]
    return None


def _instance(dtype: object) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[return-value]
