"""The whole role on a real broker and database: counted, drawn, killed in mind, begun again."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from etld.aggregator.main import run
from etld.kafka.producer import Producer
from etld.kafka.settings import client_settings
from etld.postgres.connections import Connection
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro.codec import codec_of
from etld.serdes.avro.wire import pack
from etld.setup.main import set_up
from etld.summaries import definition, tables
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.aggregator_harness import ROOT, config, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)


def test_counts_draws_and_goes_on_after_a_restart(kafka: str, database: str, conn: Connection, tmp_path: Path) -> None:
    """Each event id once, over two lives of the worker; charts when the stream is idle."""
    topic = f"event_purchase_{uuid.uuid4().hex[:8]}"
    cfg = config(
        tmp_path,
        topics=("[event_types.purchase]\n", f'[event_types.purchase]\ntopic = "{topic}"\n'),
        dpi=("dpi = 300", "dpi = 60"),
    )
    addresses = Addresses("", kafka, database, "embedded", "")
    set_up(LocalWorker(cfg, "setup", "setup", addresses))
    producer = Producer(client_settings(cfg, addresses))
    schema = EventSchema.parse((ROOT / "schemas/purchase.avsc").read_text())
    number = json.loads(cfg.schemas_path.read_text())["event_types"]["purchase"]["id"]
    events = [purchase(str(uuid.uuid4()), i / 100, T0) for i in range(300)]

    def send(some: list[dict[str, object]]) -> None:
        for event in some:
            producer.produce(topic, str(event["event_id"]).encode(), pack(number, codec_of(schema).encode(event)))
        producer.flush(10)

    def counted() -> tuple[int, Decimal]:
        row = conn.execute("SELECT coalesce(sum(events), 0), coalesce(sum(revenue), 0) FROM etld.summary_purchase")
        return row.fetchone() or (0, Decimal())

    with LocalWorker(cfg, "aggregator", "aggregator-0", addresses).running(run):
        send(events[:200] + events[:50])
        wait_until(lambda: counted()[0] == 200, what="200 events counted")
        latest = cfg.charts.dir / "purchase_summary_latest.png"
        wait_until(lambda: latest.exists() and "200 events" in description(latest), what="the chart of 200 events")
    with LocalWorker(cfg, "aggregator", "aggregator-0", addresses).running(run):
        send(events[150:])
        wait_until(lambda: counted()[0] == 300, what="300 events counted")
        assert counted() == (300, Decimal("448.5"))
        # A sum beyond double precision is still drawn.
        send([purchase(str(uuid.uuid4()), 1.7e308, T0) for _ in range(2)])
        wait_until(lambda: "302 events" in description(latest), what="the chart of 302 events")
    made = definition.read(cfg.summaries, cfg.event_types)
    assert [s.name for s in made] == ["purchase", "order", "delivery"]
    assert tables.waiting(conn) == {}
    totals = conn.execute(
        "SELECT sum(consumed), sum(stored), sum(duplicate) FROM etld.kafka_position"
        " WHERE consumer_group = 'etld-aggregator' AND topic = %s",
        [topic],
    ).fetchone()
    assert totals == (402, 302, 100), totals


def description(path: Path) -> str:
    """The numbers that a chart carries in its file."""
    with Image.open(path) as image:
        return str(image.text["Description"])  # type: ignore[attr-defined]
