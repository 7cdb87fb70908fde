"""Daemons with databases of their own on one cluster: a stranger is refused, a prefix keeps them apart."""

from __future__ import annotations

import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from etld.kafka.admin import Admin
from support.cluster import Cluster
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

Make = Callable[..., Daemon]


@pytest.fixture(scope="module")
def make(cluster: Cluster, kafka: str) -> Make:
    """Makes daemons on the shared broker, behind a prefix of this run; with the same node_id where none is said."""
    run = uuid.uuid4().hex[:8]

    def made(prefix: str, dsn: str, node: str = "one") -> Daemon:
        daemon = cluster.daemon()
        names = {"kafka.prefix": f"{run}-{prefix}", "node_id": node}
        daemon.configure({"kafka.bootstrap_servers": kafka, "postgres.dsn": dsn, **names})
        return daemon

    return made


@pytest.fixture(scope="module")
def live_dsn(cluster: Cluster) -> str:
    return cluster.new_database()[1]


@pytest.fixture(scope="module")
def live(make: Make, live_dsn: str) -> Iterator[EtldClient]:
    """The daemon that is at work."""
    daemon = make("live-", live_dsn)
    with daemon.running():
        yield EtldClient(daemon)


def prefix(etld: EtldClient) -> str:
    return str(etld.daemon.settings()["kafka"]["prefix"])


def processes(etld: EtldClient) -> dict[str, tuple[int, int]]:
    return {one["name"]: (one["pid"], one["restarts"]) for one in etld.daemon.status()["workers"]}


def works(etld: EtldClient) -> None:
    """A new event becomes a row."""
    sent = purchase()
    etld.track(sent)
    wait_until(lambda: etld.stored(sent["event_id"]) == 1, 30, "it is stored")


def refusal(daemon: Daemon) -> str:
    """What `etld start` says when it fails."""
    done = daemon.cli("start", check=False)
    assert done.returncode != 0
    assert not daemon.status()
    return done.stderr


def test_a_stranger_is_refused_in_words(live: EtldClient, make: Make, cluster: Cluster) -> None:
    """Also when its database is a copy; and whoever is at work goes on undisturbed."""
    works(live)
    before = processes(live)
    with cluster.database() as dsn:
        other = make("live-", dsn)
        began = time.monotonic()
        told = refusal(other)
        assert time.monotonic() - began < 40
        assert (
            f"consumer group {prefix(live)}etld-processor-purchase has a member (node_id 'one', host 127.0.0.1)" in told
        )
        assert "it works for another database" in told
        assert "[kafka] prefix" in told
        rows = live.sql("SELECT cluster_id, 'elsewhere', identity, place, now() FROM etld.daemon")
        with psycopg.connect(dsn) as conn:
            conn.execute("INSERT INTO etld.daemon VALUES (%s, %s, %s, %s, %s)", rows[0])
        assert "it works for another database" in refusal(other)
    assert processes(live) == before
    assert live.daemon.status()["state"] == "ready"
    works(live)


def test_another_daemon_of_the_same_database_is_none(live: EtldClient, make: Make, live_dsn: str) -> None:
    """They share the partitions, and a worker that is replaced comes back beside the others."""
    with make("live-", live_dsn, "two").running() as second:
        owners = "SELECT count(DISTINCT split_part(owner, '/', 1)) FROM etld.kafka_position"
        wait_until(lambda: live.sql(owners) == [(2,)], 30, "both own partitions")
        second.cli("restart", "processor")
        works(live)
        works(EtldClient(second))
        assert second.json("health")["healthy"]


def test_a_prefix_keeps_them_apart(live: EtldClient, make: Make, cluster: Cluster) -> None:
    """Rows, letters, topics, groups, metrics and commands of each are its own."""
    with cluster.database() as dsn, make("stage-", dsn).running() as daemon:
        stage = EtldClient(daemon)
        broken = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
        sent = [purchase() for _ in range(20)] + [{**event("order"), "event_id": str(uuid.uuid4())} for _ in range(5)]
        stage.send([*sent, broken])
        stage.letter(broken["event_id"], "parked")
        ids = [one["event_id"] for one in sent]
        wait_until(lambda: stage.stored(*ids) == len(ids), 30, "they are stored")
        works(live)
        assert live.stored(*ids) == 0
        assert live.sql("SELECT count(*) FROM etld.dead_letter") == [(0,)]
        assert daemon.json("dlq", "list")["event_id"] == broken["event_id"]

        names = ["dead_letter_queue", "parked_events", "event_purchase", "event_order", "event_delivery"]
        admin = Admin(daemon.kafka_client())
        for one in (live, stage):
            assert len(admin.topics([prefix(one) + name for name in names])) == len(names)
            assert admin.members([f"{prefix(one)}etld-corrector"])
        assert stage.sql("SELECT DISTINCT subject FROM etld.schema_version ORDER BY 1 LIMIT 1") == [
            (f"{prefix(stage)}event_delivery-value",)
        ]
        with urllib.request.urlopen(f"{stage.http}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert f'topic="{prefix(stage)}event_order"' in metrics
        assert prefix(live) not in metrics

        told = daemon.cli("trace", broken["event_id"]).stdout
        assert f"in Kafka  {prefix(stage)}dead_letter_queue:" in told
        assert daemon.json("trace", ids[0])["stored"]["topic"] == f"{prefix(stage)}event_purchase"
        daemon.cli("pause", "processor-order")
        waits = {**event("order"), "event_id": str(uuid.uuid4())}
        stage.track(waits)
        told = daemon.cli("trace", waits["event_id"]).stdout
        assert f"waits for {prefix(stage)}etld-processor-order to read it" in told
        daemon.cli("resume", "processor-order")
        for one in (live, stage):
            wait_until(lambda one=one: one.daemon.json("reconcile", check=False)["in_flight"] == 0, 30)
            report = one.daemon.json("reconcile")
            assert (report["ok"], {found["equal"] for found in report["summaries"]}) == (True, {True})
            assert {found["topic"] for found in report["partitions"]} == {prefix(one) + name for name in names[2:]}

        daemon.configure({"kafka.prefix": "other-"})
        done = daemon.cli("reload", check=False)
        assert done.returncode == 1
        assert "kafka.prefix: only `etld stop` and `etld start` can change this" in done.stderr


def test_who_has_ended_is_waited_for(live: EtldClient, make: Make, cluster: Cluster) -> None:
    """Kafka counts its workers as members for a while yet."""
    live.daemon.stop()
    with cluster.database() as dsn, make("live-", dsn).running() as heir:
        works(EtldClient(heir))


def test_of_two_that_start_at_once_one_ends(make: Make, cluster: Cluster) -> None:
    """Neither sees the other before both work; then the whole of one ends, its ingest too, and the other works on."""
    with cluster.database() as one, cluster.database() as another:
        both = [make("at-once-", dsn) for dsn in (one, another)]
        starting = [threading.Thread(target=daemon.cli, args=("start",), kwargs={"check": False}) for daemon in both]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        wait_until(lambda: [bool(daemon.status()) for daemon in both].count(True) == 1, 90, "one of them has ended")
        left = next(daemon for daemon in both if daemon.status())
        wait_until(lambda: left.status().get("state") == "ready", 60, "the other one is well")
        works(EtldClient(left))
        left.stop()
