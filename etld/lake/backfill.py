"""`etld lake backfill`: rows that only PostgreSQL has go into the lake, before their partitions are dropped.

An event that the lake has is left out by its id, so that it may be done again, and while the topic is read.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.postgres import beside, statements
from etld.postgres.compose import SQL, Composable, Composed, Identifier, Literal
from etld.serdes.columns import JSON_TEXT
from etld.sinks.iceberg import opening
from etld.sinks.iceberg.rows import TYPES, rows_of
from etld.sinks.iceberg.table import columns_of
from etld.sinks.postgres import event_views
from etld.sinks.postgres.columns import ACCEPTED_AT, EVENT_ID, OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etld.postgres.connections import Connection
    from etld.sinks.iceberg.known_ids import TableIds
    from etld.sinks.iceberg.rows import LakeRows
    from etld.sinks.iceberg.table import LakeTable
    from etld.sinks.iceberg.upkeep import Upkeep
    from etld.sinks.postgres.view_columns import ViewColumn
    from etld.worker import Worker

_SQL = statements.load("etld.sinks.iceberg", "backfill")
_COMMA = SQL(", ")
_STEP = dt.timedelta(days=1)
_AT_ONCE = 50_000
_FRAME: dict[str, pl.DataType] = {
    "text": pl.String(),
    "uuid": pl.String(),
    "jsonb": JSON_TEXT,
    **TYPES,
}
_HEAD: dict[str, pl.DataType] = {
    EVENT_ID: pl.String(),
    "event_name": pl.String(),
    "triggered_at": TYPES["timestamptz"],
    ACCEPTED_AT: TYPES["timestamptz"],
    PARTITION: pl.Int32(),
    OFFSET: pl.Int64(),
}


class Backfill:
    """Of a worker's event type; `stopping` says when the worker ends.

    `run` and `failed` raise psycopg errors, and what the lake raises.
    """

    def __init__(self, worker: Worker, conn: Connection, stopping: Callable[[], bool]) -> None:
        assert worker.event_type is not None
        self._worker = worker
        self._conn = conn
        self._event_type = worker.event_type
        self._stopping = stopping

    def run(self, table: LakeTable, upkeep: Upkeep, erasures: int) -> int | None:
        """Carry out what is ordered, a day at a time; how many rows went in, None where nothing is ordered.

        `erasures` is the step up to which PostgreSQL has nothing of subjects that were forgotten.
        """
        row = self._ask(_SQL.next)
        if row is None:
            return None
        known_ids = opening.known_ids(self._worker, "backfill")
        try:
            return self._copy(table, upkeep, known_ids, row[0], erasures)
        finally:
            known_ids.close()

    def _copy(self, table: LakeTable, upkeep: Upkeep, known_ids: TableIds, begin: dt.datetime, erasures: int) -> int:
        end = dt.datetime.now(dt.UTC) + _STEP
        total = 0
        while not self._stopping():
            oldest = self._ask(_SQL.oldest, accepted_from=begin)
            if oldest is None or oldest[0] is None or oldest[0] >= end:
                self._conn.execute(_SQL.done, {"event_type": self._event_type})
                break
            begin = max(begin, oldest[0])
            until = begin + _STEP
            for rows in self._rows(columns_of(table.load()), begin, until):
                count = upkeep.add(replace(rows, erasures=erasures), known_ids)
                total += count
                self._note(begin, count)
            begin = until
            self._note(begin, 0)
        return total

    def failed(self, why: str) -> None:
        """Tell whoever waits."""
        self._conn.execute(_SQL.failed, {"event_type": self._event_type, "told": why})

    def _note(self, begin: dt.datetime, rows: int) -> None:
        self._conn.execute(_SQL.progress, {"event_type": self._event_type, "rows": rows, "accepted_from": begin})

    def _ask(self, statement: Any, **more: Any) -> Any:
        return self._conn.execute(statement, {"event_type": self._event_type, **more}).fetchone()

    def _rows(self, columns: tuple[ViewColumn, ...], begin: dt.datetime, until: dt.datetime) -> Iterator[LakeRows]:
        """The rows of a span of time, so many at once."""
        with beside.connect(self._worker, "backfill") as conn, conn.transaction(), conn.cursor("etld_backfill") as cur:
            cur.execute(_query(self._event_type, columns, begin, until))
            while found := cur.fetchmany(_AT_ONCE):
                rows = rows_of([_frame(found, columns)], columns)
                if rows is not None:
                    yield rows


def _query(event_type: str, columns: Sequence[ViewColumn], begin: dt.datetime, until: dt.datetime) -> Composed:
    accepted = SQL("coalesce(e.accepted_at, e.processed_at)")
    head = SQL("e.event_id::text, e.event_name, e.triggered_at, {}, e.kafka_partition, e.kafka_offset").format(accepted)
    values = [SQL("{} AS {}").format(_value(one), Identifier(one.name)) for one in columns]
    return SQL("SELECT {} FROM public.processed_events e WHERE e.event_type = {} AND {} >= {} AND {} < {}").format(
        _COMMA.join([head, *values]), Literal(event_type), accepted, Literal(begin), accepted, Literal(until)
    )


def _value(column: ViewColumn) -> Composable:
    """The field in its column's type; what Python has no good type for, as text."""
    kind = "numeric" if column.type.startswith("decimal") else column.type
    read = event_views.read(column.details, column.field, kind)
    return SQL("({})::text").format(read) if kind in ("numeric", "jsonb", "uuid") else read


def _frame(found: Sequence[Sequence[Any]], columns: Sequence[ViewColumn]) -> pl.DataFrame:
    """Rows of PostgreSQL as a frame of events."""
    kinds = {one.name: _FRAME.get(one.type, pl.String()) for one in columns}
    plain = {name: pl.String() if kind == JSON_TEXT else kind for name, kind in kinds.items()}
    flat = pl.DataFrame(found, schema={**_HEAD, **plain}, orient="row")
    details = [
        pl.struct(
            pl.col(one.name).cast(kinds[one.name]).alias(one.field) for one in columns if one.details == name
        ).alias(name)
        for name in dict.fromkeys(one.details for one in columns)
    ]
    return flat.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"), *_HEAD, *details)
