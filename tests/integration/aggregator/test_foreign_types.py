"""A field that another producer's schema gives another type: aggregator and recompute make the same of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from etld.aggregator.batch_totals import totals
from etld.postgres.connections import Connection
from etld.postgres.migrate import migrate
from etld.serdes import json_text
from etld.sinks.postgres.unwrap import PostgresTransaction
from etld.summaries import table_sql, tables
from etld.summaries.model import EventField, EventFilter, GroupColumn, Measure, Summary

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
KINDS = ("integer", "bigint", "real", "double precision")
NUMBERS = [b"12.5", b"5.0", b"5.5", b"1e5", b"1E-7", b"-0.0", b"18446744073709551616", b"1e300", b"5e-324", b"1e-330"]
JSON = [*NUMBERS, b'"12.5"', b'"dear"', b"null", b"true", b"[1]", b'{"w":1}', b'"\\u0663"', b'"7\\n"', b'""']
TEXTS = [
    *(
        "12.5",
        "dear",
        "",
        "-0.10",
        "007",
        "+1",
        "1.",
        ".5",
        "1e5",
        " 5",
        "5\n",
        "٣",
        "NaN",
        "Infinity",
        "true",
        "0",
        "-0",
    ),
    *(str(2**31 - 1), str(2**31), str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), "5.000"),
    *(
        "9" * 300,
        "9" * 310,
        "9" * 1000,
        "9" * 1199,
        "9" * 1200,
        "9" * 140_000,
        "0." + "1" * 900,
        "0." + "0" * 400 + "1",
    ),
    *("0.123456789012345678901234", "123456789012.12345678901", "-0.00000000000000000000001"),
]
COLUMNS: list[tuple[pl.DataType, list[Any]]] = [
    (pl.String(), [*TEXTS, None]),
    (pl.Int32(), [0, 5, -(2**31), 2**31 - 1, None]),
    (pl.Int64(), [0, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), None]),
    (pl.Float64(), [0.1, -0.0, 5.0, 5.5, 1e300, 5e-324, 2.0**31, 2.0**63, -(2.0**63), 3.5e38, 1e-46, 1.7e308, None]),
    (pl.Float32(), [0.1, 5.0, 3.4e38, 1e-45, 16777216.0, None]),
    (pl.Boolean(), [True, False, None]),
    (pl.Date(), [T0.date(), None]),
    (pl.Datetime("us", "UTC"), [T0, None]),
    (pl.Struct({"w": pl.Int64()}), [{"w": 1}, None]),
    (pl.Struct({"w": pl.String()}), [{"w": "2.5"}, {"w": None}, None]),
    (pl.Struct({"w": pl.Binary()}), [*({"w": value} for value in JSON), None]),
    (pl.List(pl.Int64()), [[1, 2], [], None]),
    (pl.Binary(), [*JSON, *(b'{"w":' + value + b"}" for value in JSON), b'{"x":1}', b'[{"w":1}]', None]),
]


def _summary(name: str, *, each: bool, filters: tuple[EventFilter, ...] = ()) -> Summary:
    def groups(letter: str, *path: str) -> list[GroupColumn]:
        kinds = ("text", "boolean", "integer", "bigint")
        return [
            GroupColumn(f"{letter}_{kind}", EventField(("event_details", *path), kind))
            for kind in kinds
        ]  # fmt: skip

    def measures(letter: str, *path: str) -> list[Measure]:
        field = ("event_details", *path)
        sums = [Measure(f"{letter}_{function}", function, EventField(field, "numeric")) for function in ("sum", "avg")]
        ends = [
            Measure(f"{letter}_{function}_{kind[:4]}", function, EventField(field, kind))
            for function in ("min", "max")
            for kind in KINDS
        ]
        return [*sums, *ends]

    grouped = [*groups("v", "v"), *groups("w", "v", "w"), GroupColumn("name", EventField(("event_name",), "text"))]
    measured = [Measure("events", "count"), *measures("v", "v"), *measures("w", "v", "w")]
    return Summary(name, ("purchase",), filters, tuple(grouped if each else ()), tuple(measured), 3600)


def _frames() -> list[pl.DataFrame]:
    frames, number = [], 0
    for dtype, values in COLUMNS:
        rows = range(number, number := number + len(values))
        head = {
            "row": pl.Series(rows, dtype=pl.UInt32),
            "event_id": [f"00000000-0000-0000-0000-{row:012}" for row in rows],
            "event_name": [f"{dtype} {row}" for row in rows],
            "event_type": ["purchase"] * len(rows),
            "triggered_at": pl.Series([T0] * len(rows), dtype=pl.Datetime("us", "UTC")),
            "user_details": pl.Series([{"user_id": 1}] * len(rows)),
        }
        details = pl.DataFrame({"v": pl.Series(values, dtype=dtype)}).to_struct("event_details")
        frames.append(pl.DataFrame({**head, "event_details": details}))
    frames.append(frames[0].with_columns(pl.lit("no such field").alias("event_name"), event_details=pl.struct(x=1)))
    return frames


def _store(conn: Connection, frames: list[pl.DataFrame]) -> None:
    row = 0
    for frame in frames:
        for name, details in zip(frame["event_name"], json_text.column(frame["event_details"]), strict=True):
            conn.execute(
                "INSERT INTO processed_events (event_id, event_name, event_type, user_details,"
                " event_details, triggered_at, kafka_partition, kafka_offset, processed_at)"
                " VALUES (gen_random_uuid(), %s, 'purchase', '{}', %s, %s, 0, %s, now())",
                (name, details, T0, row),
            )
            row += 1


def test_a_value_of_another_type_counts_the_same_on_both_sides(conn: Connection) -> None:
    """Each value of each type, alone and summed up; a filter passes the same ones."""
    migrate(conn)
    frames = _frames()
    _store(conn, frames)
    filters = [
        EventFilter(EventField(("event_details", "v"), "text"), ("12.5", "dear")),
        EventFilter(EventField(("event_details", "v"), "bigint"), (5, 7)),
        EventFilter(EventField(("event_details", "v"), "integer"), (5, 7)),
        EventFilter(EventField(("event_details", "v"), "boolean"), (True,)),
    ]
    summaries = [_summary("each", each=True), _summary("all", each=False)]
    summaries += [_summary(f"filter_{i}", each=True, filters=(one,)) for i, one in enumerate(filters)]
    for summary in summaries:
        conn.execute(table_sql.create(summary, table_sql.table(summary)))
        columns = totals(frames, summary)
        assert columns is not None
        with conn.transaction(), conn.cursor() as cur:
            tables.add(PostgresTransaction(cur), summary, columns)
        assert conn.execute(table_sql.difference(summary, table_sql.recompute(summary), 20)).fetchall() == []


def test_what_counts(conn: Connection) -> None:
    """Numbers, also those written as text, as far as the column holds them."""
    migrate(conn)
    frames = _frames()
    summary = _summary("each", each=True)
    conn.execute(table_sql.create(summary, table_sql.table(summary)))
    columns = totals(frames, summary)
    assert columns is not None
    with conn.transaction(), conn.cursor() as cur:
        tables.add(PostgresTransaction(cur), summary, columns)
    assert conn.execute("SELECT sum(events) FROM etld.summary_each").fetchone() == (sum(f.height for f in frames),)

    def counted(text: str) -> tuple[Any, ...]:
        row = conn.execute(
            "SELECT v_sum::text, v_min_doub, v_min_inte, v_bigint FROM etld.summary_each WHERE v_text = %s", (text,)
        ).fetchone()
        assert row is not None
        return row

    assert counted("12.5") == ("12.5", 12.5, None, None)
    assert counted("007") == ("7", 7.0, 7, 7)
    assert counted("2147483648") == ("2147483648", 2147483648.0, None, 2147483648)
    assert counted("dear") == counted("NaN") == counted("true") == counted("1e5") == (None, None, None, None)
    assert counted("0.123456789012345678901234")[0] == "0.123456789012345678901234"
