"""A lake of a test's own, and DuckDB to count in it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
import polars as pl
from pyiceberg.catalog.sql import SqlCatalog

from etld.kafka.types import Partition
from etld.schemas.event_schema import EventSchema
from etld.sinks.base import Advance, Claimed, Consumer, PartitionLog, RecordCounts
from etld.sinks.iceberg import layout
from etld.sinks.iceberg.known_ids import TableIds
from etld.sinks.iceberg.layout import Layout
from etld.sinks.iceberg.sink import IcebergSink
from etld.sinks.iceberg.table import LakeTable
from support.source_checks import ROOT

TOPIC = "event_purchase"
WINDOW = 30 * 86_400.0
WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PURCHASE = (ROOT / "schemas" / "purchase.avsc").read_text()
_EXTENSIONS = (duckdb_extension_avro, duckdb_extension_httpfs, duckdb_extension_iceberg)


def duck() -> duckdb.DuckDBPyConnection:
    """DuckDB with what it needs for Iceberg, from packages: nothing is fetched."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for package in _EXTENSIONS:
        (extension,) = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
        connection.load_extension(str(extension))
    connection.execute("SET TimeZone = 'UTC'")
    return connection


class LocalLake:
    """A table of purchases, with its catalog in SQLite and its files in a folder."""

    def __init__(self, folder: Path, schema: str = PURCHASE) -> None:
        self.folder = folder
        top = EventSchema.parse(schema).tree
        self.table = LakeTable(self.catalog, ("etld", TOPIC), Layout.of(top), layout.aliases_of(top))

    def catalog(self) -> SqlCatalog:
        """A new one."""
        uri, warehouse = f"sqlite:///{self.folder}/catalog.db", f"file://{self.folder}/warehouse"
        return SqlCatalog("etld", uri=uri, warehouse=warehouse)

    def sink(self, owner: str = "one#1", group: str = "group") -> IcebergSink:
        """A consumer's way to it."""
        return IcebergSink(self.table.again(), Consumer("cluster", group, owner), self.known_ids)

    def known_ids(self) -> TableIds:
        """What a writer remembers."""
        return TableIds(WINDOW, self.folder / "ids")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What DuckDB says; `lake` is the table."""
        with duck() as connection:
            location = self.table.load().metadata_location
            connection.execute(f"CREATE VIEW lake AS SELECT * FROM iceberg_scan('{location}')")
            return connection.execute(query).fetchall()


class Feed:
    """One owner of a partition that writes events to a lake, batch by batch."""

    def __init__(self, sink: IcebergSink, number: int = 0) -> None:
        self.sink = sink
        self.partition = Partition(TOPIC, number)
        claimed, _ = sink.claim([PartitionLog(self.partition, "id", 0, 1 << 40)])
        self.mine: Claimed = claimed[0]
        self.next = self.mine.next_offset
        self.writer = sink.writer()
        self.meanwhile: Callable[[], object] = lambda: None

    def write(self, ids: Sequence[str], when: dt.datetime = WHEN, **details: Any) -> dict[str, int]:
        """A batch of events with these ids; the totals after it. `meanwhile` happens before the commit."""
        rows = self.sink.encode([frame(ids, self.partition.number, self.next, when, **details)])
        after = self.next + len(ids)
        advance = Advance(self.partition, "id", self.mine.epoch, self.next, after, len(ids), 0)
        outcomes = {self.partition: RecordCounts(stored=len(ids))}

        def effects(transaction: Any) -> dict[Partition, RecordCounts]:
            found = transaction.write_events(rows, None)
            self.meanwhile()
            twice = 0 if found is None else len(ids) - sum(found.stored.values())
            return {self.partition: RecordCounts(stored=-twice, duplicate=twice)}

        totals = self.writer.write([advance], outcomes, effects)
        self.next = after
        return dict(totals[self.partition])


def new_ids(count: int) -> list[str]:
    """Random ids."""
    return [str(uuid.uuid4()) for _ in range(count)]


def frame(ids: Sequence[str], partition: int, first: int, when: dt.datetime, **details: Any) -> pl.DataFrame:
    """A batch as a frame of events."""
    given = {"item_id": 1, "item_name": "thing", "price": 1.5, **details}
    utc = pl.Datetime("us", "UTC")
    return pl.DataFrame({"event_id": list(ids)}).select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
        "event_id",
        pl.lit("added_to_cart").alias("event_name"),
        pl.lit("purchase").alias("event_type"),
        pl.lit(when).cast(utc).alias("triggered_at"),
        pl.struct(pl.lit(7, pl.Int64).alias("user_id")).alias("user_details"),
        pl.struct(pl.lit(value).alias(name) for name, value in given.items()).alias("event_details"),
        pl.lit(when).cast(utc).alias("accepted_at"),
        pl.lit(partition, pl.Int32).alias("kafka_partition"),
        pl.int_range(first, first + len(ids), dtype=pl.Int64).alias("kafka_offset"),
    )
