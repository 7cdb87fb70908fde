"""The lake of a whole daemon: every event once, whatever happens to its worker and its storage."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from etld.sinks.postgres.partitions import catalog
from etld.util.ports import free_port
from support.browser import Browser
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event
from support.lake import duck
from support.object_storage import ObjectStorage
from support.waiting import wait_until

pytestmark = pytest.mark.integration

TYPES = ("purchase", "order", "delivery")


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    """Object storage, away from the daemon."""
    made = ObjectStorage()
    yield made
    made.close()


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[[], Daemon], storage: ObjectStorage) -> Iterator[Daemon]:
    """A daemon whose lake is off, as shipped, and ready to be turned on."""
    made = make_daemon()
    secret = made.directory / "lake.credentials"
    secret.write_text("# of the object storage\ns3.secret-access-key = word\n")
    made.configure(
        {
            "lake.warehouse": "s3://lake/warehouse",
            "lake.properties": storage.properties,
            "lake.credentials_file": str(secret),
            "lake.commit_every": "500 ms",
            "console.enabled": True,
            "console.port": free_port(),
        }
    )
    with made.running():
        yield made


class Lake:
    """What DuckDB finds, by the catalog in PostgreSQL."""

    def __init__(self, daemon: Daemon, storage: ObjectStorage) -> None:
        self.daemon, self.storage = daemon, storage
        self.etld = EtldClient(daemon)

    def ask(self, event_type: str, query: str) -> list[tuple[Any, ...]]:
        """`lake` is the table of an event type."""
        found = self.etld.sql(
            f"SELECT metadata_location FROM etld.iceberg_tables WHERE table_name = 'event_{event_type}'"
        )
        if not found:
            return []
        with duck() as connection:
            self.storage.query(connection)
            connection.execute(f"CREATE VIEW lake AS SELECT * FROM iceberg_scan('{found[0][0]}')")
            return connection.execute(query).fetchall()

    def rows(self) -> dict[str, int]:
        """Rows by event type, as the workers told PostgreSQL."""
        return dict(self.etld.sql("SELECT event_type, row_count FROM etld.lake_table WHERE row_count > 0"))

    def has(self, wanted: Counter[str]) -> None:
        """Wait until it has as many rows of each type as were sent; then count them by DuckDB, and compare them all."""
        wait_until(lambda: self.rows() == dict(wanted), 60, f"{dict(wanted)} in the lake", interval=0.2)
        for event_type in wanted:
            of_type = f"FROM processed_events WHERE event_type = '{event_type}'"
            stored = self.etld.sql(f"SELECT event_id::text, kafka_partition, kafka_offset {of_type} ORDER BY 1")
            found = self.ask(
                event_type, "SELECT event_id::text, kafka_partition, kafka_offset FROM lake ORDER BY event_id::text"
            )
            assert found == stored


@pytest.fixture(scope="module")
def lake(daemon: Daemon, storage: ObjectStorage) -> Lake:
    return Lake(daemon, storage)


@pytest.fixture(scope="module")
def sent() -> Counter[str]:
    """What was sent until now, by event type."""
    return Counter()


def send(daemon: Daemon, sent: Counter[str], count: int, *more: str) -> None:
    """Send sample events."""
    sent.update(daemon.json("generate", "--count", str(count), *more)["by_event_type"])


def metrics(daemon: Daemon) -> str:
    """What Prometheus is told."""
    return urllib.request.urlopen(f"{daemon.http}/metrics").read().decode()  # type: ignore[no-any-return]


def worker_pid(daemon: Daemon, event_type: str = "purchase") -> int:
    """The lake's worker of an event type."""
    pid = daemon.worker(f"lake-{event_type}-0")["pid"]
    assert isinstance(pid, int)
    return pid


def test_it_is_turned_on_by_a_reload_and_begins_at_the_beginning(
    daemon: Daemon, lake: Lake, sent: Counter[str]
) -> None:
    """Whatever the topics still have comes in, and is typed as the view is."""
    send(daemon, sent, 300)
    assert not [one for one in daemon.status()["workers"] if one["kind"] == "lake"]
    daemon.configure({"lake.enabled": True})
    daemon.cli("reload")
    lake.has(sent)
    columns = "event_id::text, item_id, price, user_id"
    wanted = lake.etld.sql(f"SELECT {columns} FROM etld.event_purchase ORDER BY 1")
    assert lake.ask("purchase", f"SELECT {columns} FROM lake ORDER BY event_id::text") == wanted


def test_reconcile_and_status_tell_of_it(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    def counted() -> Any:
        tables = daemon.json("reconcile", "--wait", "20")["lake"]
        rows = {one["event_type"]: sum(part["rows"] for part in one["partitions"]) for one in tables}
        return tables if rows == dict(sent) else None

    tables = wait_until(counted, 30, "the files are counted by partition")
    assert all(part["rows"] == part["expected"] for one in tables for part in one["partitions"])
    report = daemon.json("reconcile", "--wait", "20")
    assert report["differences"] == []
    assert {one["event_type"]: one["rows"] for one in report["lake"]} == dict(sent)
    workers = {one["name"]: one for one in daemon.status()["workers"]}
    assert {workers[f"lake-{one}-0"]["state"] for one in TYPES} == {"running"}
    assert daemon.status()["totals"]["stored"] == sent.total(), "the lake does not count twice"
    assert re.search(
        r'(?m)^etld_lake_rows\{[^}]*table="etld.event_purchase"[^}]*\} ' + str(sent["purchase"]), metrics(daemon)
    )


def test_the_console_shows_it(daemon: Daemon, sent: Counter[str]) -> None:
    browser = Browser(daemon.status()["addresses"]["console"])
    tables = {one["event_type"]: one for one in browser.get("/api/v1/lake").json["tables"]}
    assert {name: one["table"]["rows"] for name, one in tables.items()} == dict(sent)
    purchases = tables["purchase"]
    assert purchases["table"]["commit_s"] > 0
    assert [one["name"] for one in purchases["workers"]] == ["lake-purchase-0"]
    assert sum(one["stored"] for one in purchases["partitions"]) == sent["purchase"]
    assert "etld.event_purchase" in browser.get("/lake").text
    assert 'href="/lake"' in browser.get("/workers").text


def test_a_worker_that_is_killed_again_and_again_leaves_every_event_once(
    daemon: Daemon, lake: Lake, sent: Counter[str]
) -> None:
    for _ in range(2):
        send(daemon, sent, 200)
        os.kill(worker_pid(daemon), signal.SIGKILL)
        wait_until(lambda: daemon.worker("lake-purchase-0")["state"] == "running", 30, "the worker is back")
    lake.has(sent)


@pytest.mark.parametrize("trouble", ["500", "503", "cut", "hang"])
def test_storage_in_trouble_loses_and_doubles_nothing(
    daemon: Daemon, lake: Lake, storage: ObjectStorage, sent: Counter[str], trouble: str
) -> None:
    """It is a fault that health tells, and PostgreSQL goes on meanwhile."""
    storage.trouble, storage.troubled = trouble, 0
    try:
        send(daemon, sent, 100)
        wait_until(lambda: storage.troubled > 0, 30, "a request was in trouble")
        stored = "SELECT count(*) FROM processed_events"
        wait_until(lambda: lake.etld.sql(stored) == [(sent.total(),)], 30, "PostgreSQL has them all the same")
        if trouble == "500":
            wait_until(lambda: "lake" in daemon.cli("health", check=False).stdout, 60, "health tells of the lake")
    finally:
        storage.trouble = ""
    lake.has(sent)


def test_the_database_may_restart(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """The catalog is in it."""
    send(daemon, sent, 100)
    daemon.cli("restart", "embedded-postgres")
    send(daemon, sent, 100)
    lake.has(sent)


def test_a_catalog_that_went_back_is_read_on_from(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """As after a failover to a standby that was behind: what the older state lacks is read again, by itself."""
    where = "WHERE table_name = 'event_purchase'"
    ((before,),) = lake.etld.sql(f"SELECT metadata_location FROM etld.iceberg_tables {where}")
    for _ in range(2):
        send(daemon, sent, 60, "--event-type", "purchase")
        lake.has(sent)
    lake.etld.sql(f"UPDATE etld.iceberg_tables SET metadata_location = '{before}' {where}")
    send(daemon, sent, 60, "--event-type", "purchase")
    lake.has(sent)
    assert lake.ask("purchase", "SELECT count(*) - count(DISTINCT event_id) FROM lake") == [(0,)]
    assert daemon.json("reconcile", "--wait", "20")["differences"] == []


def test_who_is_forgotten_leaves_the_lake(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """While more of the same subject may be on its way: what was read before is read again."""
    user = 4_000_001
    mine = [{**event("order"), "event_id": str(uuid.uuid4()), "user_details": {"user_id": user}} for _ in range(40)]
    lake.etld.send(mine)
    sent["order"] += 40
    lake.has(sent)
    receipt = daemon.json("forget", f"user_id={user}", "--yes")
    assert receipt["lake_until"]
    sent["order"] -= 40
    lake.has(sent)
    assert lake.ask("order", f"SELECT count(*) FROM lake WHERE user_id = {user}") == [(0,)]
    send(daemon, sent, 60, "--event-type", "order")
    lake.has(sent)
    assert daemon.json("reconcile", "--wait", "20")["differences"] == []


def test_broken_records_are_left_out_and_come_once_they_are_repaired(
    daemon: Daemon, lake: Lake, sent: Counter[str]
) -> None:
    """The processor's dead letters are the lake's too; what the corrector sends again arrives in both."""
    send(daemon, sent, 200, "--invalid", "20")
    wait_until(
        lambda: (
            sum((states := lake.etld.states()).values()) >= 20 and set(states) <= {"resolved", "parked", "discarded"}
        ),
        60,
        "letters are settled",
    )
    counted = dict(lake.etld.sql("SELECT event_type, count(*) FROM processed_events GROUP BY 1"))
    sent.clear()
    sent.update(counted)
    lake.has(sent)
    assert daemon.json("reconcile", "--wait", "20")["differences"] == []


def test_two_workers_share_a_topic(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """By partitions; both commit to the same table."""
    daemon.cli("scale", "lake-purchase", "2")
    for _ in range(3):
        send(daemon, sent, 200, "--event-type", "purchase")
    lake.has(sent)
    assert daemon.json("reconcile", "--wait", "20")["differences"] == []


def test_rows_that_only_the_database_has_are_filled_in(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """As if the topic had not them any more; and again, which adds none."""
    lake.etld.sql(
        "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
        " accepted_at, kafka_partition, kafka_offset) SELECT gen_random_uuid(), 'added_to_cart', 'purchase',"
        ' \'{"user_id": 7}\', \'{"item_id": 1, "item_name": "old", "price": 2.5}\', now(), now() - interval \'3 days\','
        " 0, -n FROM generate_series(1, 50) AS n RETURNING 1"
    )
    sent["purchase"] += 50
    assert daemon.json("lake", "backfill", "purchase", "--from", "earliest")["rows"] == 50
    lake.has(sent)
    assert daemon.json("lake", "backfill", "purchase", "--from", "earliest")["rows"] == 0
    old = "SELECT count(*), min(price), max(user_id) FROM lake WHERE item_name = 'old'"
    assert lake.ask("purchase", old) == [(50, 2.5, 7)]
    assert not [one for one in daemon.json("reconcile", check=False)["differences"] if "lake" in one]


def test_what_kafka_has_lost_is_given_up_and_filled_in(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """A partition whose records are gone stands still until a person says so, and goes on for good."""
    daemon.cli("scale", "lake-purchase", "0")
    send(daemon, sent, 90, "--event-type", "purchase")
    daemon.json("reconcile", "--wait", "20", check=False)
    ends = lake.etld.sql(
        "SELECT partition, next_offset FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'"
    )
    admin = AdminClient(daemon.kafka_client())
    for done in admin.delete_records([TopicPartition("event_purchase", *one) for one in ends]).values():
        done.result(30)
    daemon.cli("scale", "lake-purchase", "1")
    halted = "SELECT count(*) FROM etld.kafka_position WHERE consumer_group = 'etld-lake-purchase' AND halted <> ''"
    wait_until(lambda: lake.etld.sql(halted)[0][0] > 0, 60, "the lake stands still")
    wait_until(lambda: "--from low" in daemon.cli("health", check=False).stdout, 30, "health says what to do")
    daemon.cli("resume", "processor", "--from", "low", "event_purchase")
    wait_until(lambda: lake.etld.sql(halted) == [(0,)], 60, "it goes on")
    send(daemon, sent, 90, "--event-type", "purchase")
    lost = "SELECT sum(lost)::int FROM etld.kafka_position WHERE consumer_group = 'etld-lake-purchase'"
    assert lake.etld.sql(lost)[0][0] > 0
    behind = (
        "SELECT count(*) FROM etld.kafka_position l JOIN etld.kafka_position p USING (cluster_id, topic, partition)"
        " WHERE (l.consumer_group, p.consumer_group) = ('etld-lake-purchase', 'etld-processor-purchase')"
        " AND l.next_offset < p.next_offset"
    )
    wait_until(lambda: lake.etld.sql(behind) == [(0,)], 60, "PostgreSQL is told how far it is")
    assert daemon.json("lake", "backfill", "purchase", "--from", "earliest")["rows"] > 0
    lake.has(sent)
    assert not [one for one in daemon.json("reconcile", check=False)["differences"] if "lake" in one]


def test_a_partition_stays_until_the_lake_has_it(daemon: Daemon, lake: Lake, sent: Counter[str]) -> None:
    """Whose rows only a backfill brings there: it is ordered, once there is somebody to do it."""
    old = "processed_events_20200101"
    accepted = "now() - interval '5 days'"
    with psycopg.connect(lake.etld.dsn) as conn:
        first = catalog.read(conn)[0]
        conn.execute(f"ALTER TABLE processed_events DETACH PARTITION etld.{first.name}".encode())
        upper = dt.datetime.now(dt.UTC) - dt.timedelta(days=4)
        catalog.make(conn, None, upper, first.name, old)
        conn.execute(
            f"ALTER TABLE processed_events ATTACH PARTITION etld.{first.name} FOR VALUES FROM ('{upper}')"
            f" TO ('{first.upper}')".encode()
        )
        conn.execute("UPDATE etld.event_partition SET lower = %s WHERE name = %s", (upper, first.name))
        conn.execute(
            "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
            " accepted_at, processed_at, kafka_partition, kafka_offset) SELECT gen_random_uuid(), 'order_placed',"
            " 'order', '{\"user_id\": 7}', '{\"order_id\": 1, \"order_value\": 2.5}', now(),"
            f" {accepted}, {accepted}, 0, -n FROM generate_series(1, 40) AS n".encode()
        )
    daemon.configure({"lake.hold_partitions": True, "lake.enabled": False, "storage.retention": "3 d"})
    daemon.cli("reload")
    wait_until(lambda: old in daemon.cli("health", check=False).stdout, 60, "health tells of the partition")
    assert "the lake is off" in daemon.cli("health", check=False).stdout
    assert lake.etld.sql(f"SELECT count(*) FROM etld.{old}") == [(40,)]
    held = re.compile(r"(?m)^etld_event_partitions_held\{[^}]*\} 1(\.0)?$")
    wait_until(lambda: held.search(metrics(daemon)), 30, "the metrics count it")
    daemon.configure({"lake.enabled": True})
    daemon.cli("reload")
    there = f"SELECT count(*) FROM etld.event_partition WHERE name = '{old}'"
    wait_until(lambda: lake.etld.sql(there) == [(0,)], 60, "it goes once the lake has it")
    assert lake.ask("order", "SELECT count(*) FROM lake WHERE kafka_offset < 0") == [(40,)]
    expired = "SELECT expired FROM etld.removed_event WHERE (event_type, partition) = ('order', 0)"
    assert lake.etld.sql(expired) == [(40,)]
    wait_until(lambda: old not in daemon.cli("health", check=False).stdout, 30, "health tells no more of it")
