"""Events as rows: each value in its column's type, whatever schema wrote it."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etld.sinks.iceberg.rows import LakeRows, joined, rows_of
from etld.sinks.postgres.view_columns import ViewColumn

WHEN = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)


def made(details: dict[str, Any] | pl.Series, **types: str) -> dict[str, Any]:
    """The row of an event with these details, whose table has columns of these types; None for no columns but those."""
    columns = tuple(ViewColumn(name, "event_details", name, kind) for name, kind in types.items())
    rows = rows_of([frame(details)], columns)
    assert rows is not None
    (row,) = rows.table.to_pylist()
    return {name: row[name] for name in types}


def frame(details: dict[str, Any] | pl.Series, partition: int = 0, **schema: pl.DataType) -> pl.DataFrame:
    """One event."""
    given = details if isinstance(details, pl.Series) else pl.Series([details])
    return pl.DataFrame({"row": [0], "event_id": [str(uuid.uuid4())], "event_name": ["paid"]}).with_columns(
        pl.lit(WHEN).cast(pl.Datetime("us", "UTC")).alias("triggered_at"),
        pl.lit(WHEN).cast(pl.Datetime("us", "UTC")).alias("accepted_at"),
        pl.lit(partition, pl.Int32).alias("kafka_partition"),
        pl.lit(7, pl.Int64).alias("kafka_offset"),
        given.alias("event_details"),
    )


def test_values_are_in_the_types_of_their_columns() -> None:
    one = uuid.uuid4()
    details = {
        "number": 5,
        "text": "é",
        "price": 1.5,
        "yes": True,
        "day": dt.date(2026, 3, 1),
        "hour": dt.time(1, 2, 3, 4),
        "paid": "12.30",
        "who": str(one),
        "tags": ["a", "b"],
    }
    kinds = {
        "number": "bigint",
        "text": "text",
        "price": "double precision",
        "yes": "boolean",
        "day": "date",
        "hour": "time",
        "paid": "decimal(9,2)",
        "who": "uuid",
        "tags": "jsonb",
    }
    assert made(details, **kinds) == {**details, "paid": Decimal("12.30"), "who": one, "tags": '["a","b"]'}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("many", "bigint"),
        ([1, 2], "bigint"),
        ("1.2.3", "double precision"),
        ("no uuid", "uuid"),
        ("1234567890.00", "decimal(9,2)"),
        ({"a": 1}, "timestamptz"),
        (None, "text"),
    ],
)
def test_what_is_no_value_of_the_type_is_null(value: Any, kind: str) -> None:
    """An older schema had another type; so does the view."""
    assert made({"field": value}, field=kind) == {"field": None}


def test_what_a_schema_does_not_have_is_null() -> None:
    assert made({"other": 1}, field="bigint") == {"field": None}
    assert made(pl.Series([None], dtype=pl.Struct([])), field="bigint") == {"field": None}


def test_an_event_id_that_is_no_uuid_is_refused() -> None:
    """Never a row that engines cannot read."""
    with pytest.raises(ValueError, match=r"UUID|hex"):
        rows_of([frame({"a": 1}).with_columns(pl.lit("0011").alias("event_id"))], ())


def test_rows_of_some_partitions_are_left_out() -> None:
    """Of what was joined, in order."""
    parts = [rows_of([frame({"a": 1}, partition)], ()) for partition in (0, 1, 0)]
    rows = joined([one for one in parts if one is not None])
    assert isinstance(rows, LakeRows)
    assert rows.counts() == {0: 2, 1: 1}
    left = rows.without([0])
    assert (left.counts(), len(left.ids), len(left.accepted)) == ({1: 1}, 1, 1)
    assert rows_of([], ()) is None
