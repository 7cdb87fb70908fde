"""A role without its loop: batches handed to the aggregator's handler, and rows to the table as the processor would."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.aggregator.handler import AggregatorHandler
from etld.aggregator.summary_tables import SummaryTables
from etld.config import load
from etld.kafka.memory import StoredMessage
from etld.kafka.records import Records
from etld.kafka.types import Partition
from etld.postgres.migrate import migrate
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro.codec import codec_of
from etld.serdes.avro.wire import pack
from etld.sinks.postgres.unwrap import PostgresSide, PostgresTransaction
from etld.stream.batch import Batch, PartitionBatch
from etld.summaries import backfill, definition, recompute
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.events import as_avro, event, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.sinks.base import RecordCounts, Verdict

ROOT = Path(__file__).resolve().parents[2]
CLUSTER, GROUP = "cluster", "etld-aggregator"
TYPES = ("purchase", "order", "delivery")


def config(directory: Path, **changes: Any) -> Config:
    """The default configuration with its state in `directory`."""
    text = (ROOT / "config/etld.toml").read_text()
    for old, new in changes.items():
        text = text.replace(*new) if isinstance(new, tuple) else text.replace(old, new)
    file = directory / "etld.toml"
    file.write_text(text)
    schemas = directory / "schemas"
    if not schemas.exists():
        schemas.symlink_to(ROOT / "schemas")
    return load(file, {})


def purchase(event_id: str, price: float, at: dt.datetime, name: str = "added_to_cart") -> dict[str, Any]:
    """A purchase, as Avro takes it."""
    sent = event("purchase", {"item_name": "é", "price": price}, event_id=event_id, event_name=name)
    return as_avro({**sent, "triggered_at": micros(at)})


class AggregatorHarness:
    """The handler, a database, and the positions that the loop would keep."""

    def __init__(self, conn: Connection, directory: Path, cfg: Config | None = None) -> None:
        migrate(conn)
        self.conn = conn
        self.side = PostgresSide(conn)
        self.config = cfg or config(directory)
        addresses = Addresses("", "", conn.info.dsn, "embedded", "")
        self.worker = LocalWorker(self.config, "aggregator", "aggregator-0", addresses)
        self.handler = AggregatorHandler(self.worker)
        self.handler.cluster_id = CLUSTER
        self.schemas = [EventSchema.parse((ROOT / f"schemas/{name}.avsc").read_text()) for name in TYPES]
        self.handler._schemas = lambda number: self.schemas[number - 1]  # type: ignore[assignment]
        self.summaries = definition.read(self.config.summaries, self.config.event_types)
        topics = {kind.topic: name for name, kind in self.config.event_types.items()}
        self.stream = backfill.CountedStream(CLUSTER, GROUP, topics)
        self.sync()

    def sync(self) -> list[str]:
        """What `start` does to the tables, filling left to `fill`."""
        self.handler._summaries = self.summaries
        self.handler._tables = SummaryTables(self.worker, self.summaries, self.handler._duties.leases)
        made = self.handler._tables.sync(self.side, self.stream)
        self.handler._keep_days(self.side)
        return made

    def retry(self) -> None:
        """What `idle` does about summaries that are held back."""
        self.handler._tables.retry(self.side)

    def fill(self) -> list[bool | None]:
        """Fill what waits, as the thread would."""
        return [backfill.fill(self.conn, self.stream, summary) for summary in self.summaries]

    def value(self, event: Mapping[str, Any]) -> bytes:
        """The event as a record's value."""
        number = TYPES.index(event["event_type"]) + 1
        return pack(number, codec_of(self.schemas[number - 1]).encode(dict(event)))

    def batch(
        self, values: Sequence[bytes | None], offset: int = 0, part: int = 0, topic: str = "event_purchase"
    ) -> Batch:
        """One partition's records."""
        partition = Partition(topic, part)
        messages = [StoredMessage(partition, offset + i, None, value, (), 0) for i, value in enumerate(values)]
        records = Records(partition, messages)
        return Batch((PartitionBatch(partition, "life", 1, offset, offset + len(values), records),))

    def count(self, batch: Batch, verdict: Verdict | None = None) -> dict[Partition, list[RecordCounts]]:
        """Prepare and write one batch, as the writer would; each partition's outcomes."""
        work = self.handler.prepare(batch)
        with self.conn.transaction(), self.conn.cursor() as cur:
            changes = self.handler.write(PostgresTransaction(cur), work, verdict)
        self.handler.committed(work)
        return {key: [found, *([changes[key]] if key in changes else [])] for key, found in work.outcomes.items()}

    def end_life(self, group: str, reason: str) -> None:
        """Note a group's positions among those of ended lives, as a topic that is made anew does."""
        names = self.conn.execute(
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
            " WHERE table_schema = 'etld' AND table_name = 'kafka_position'"
        ).fetchall()[0][0]
        self.conn.execute(
            f"INSERT INTO etld.kafka_position_history ({names}, reason, ended_at)"
            f" SELECT {names}, '{reason}', clock_timestamp() FROM etld.kafka_position"
            f" WHERE consumer_group = '{group}'".encode()
        )

    def position(
        self, group: str, next_offset: int, part: int = 0, topic_id: str = "life", topic: str = "event_purchase"
    ) -> None:
        """Set a position."""
        self.conn.execute(
            "INSERT INTO etld.kafka_position"
            " (cluster_id, consumer_group, topic, partition, topic_id, start_offset, next_offset, owner)"
            " VALUES (%s, %s, %s, %s, %s, 0, %s, 'test') ON CONFLICT (cluster_id, consumer_group, topic, partition)"
            " DO UPDATE SET next_offset = excluded.next_offset, topic_id = excluded.topic_id,"
            " updated_at = clock_timestamp()",
            (CLUSTER, group, topic, part, topic_id, next_offset),
        )

    def store(self, event: Mapping[str, Any], offset: int = 0, part: int = 0) -> bool:
        """The row that the processor would write; False when the event id is stored."""
        from psycopg.types.json import Jsonb

        at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=event["triggered_at"])
        cur = self.conn.execute(
            "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
            " kafka_partition, kafka_offset, processed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())"
            " ON CONFLICT DO NOTHING",
            (
                event["event_id"], event["event_name"], event["event_type"], Jsonb(event["user_details"]),
                Jsonb(event["event_details"]), at, part, offset,
            ),
        )  # fmt: skip
        return cur.rowcount == 1

    def compare(self) -> list[str]:
        """Every difference between the tables and a recompute."""
        return [text for one in self.summaries for text in recompute.compare(self.conn, one).differences]
