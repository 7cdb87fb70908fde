"""`etld pause`: paused means that nothing more is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from support.daemon import Daemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration

CONSUMERS = ("processor", "aggregator", "corrector")


@pytest.fixture(scope="module")
def paused_daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon whose batches are small, so that there is always one in hand."""
    made = make_daemon()
    made.configure({"processor.batch_max_records": 200})
    with made.running():
        yield made


def consumed(daemon: Daemon, group: str) -> int:
    """Records that a group has stored the outcome of."""
    with psycopg.connect(daemon.dsn, autocommit=True) as conn:
        statement = "SELECT coalesce(sum(consumed), 0)::bigint FROM etld.kafka_position WHERE consumer_group LIKE %s"
        return int(conn.execute(statement, (f"etld-{group}%",)).fetchall()[0][0])


@pytest.mark.parametrize("group", CONSUMERS)
def test_nothing_is_stored_after_a_pause_was_answered(paused_daemon: Daemon, group: str) -> None:
    """With more in the topics than was read; and it goes on where it stood."""
    load = threading.Thread(
        target=paused_daemon.cli, args=("generate", "--count", "12000", "--rate", "2500", "--invalid", "1000")
    )
    before = consumed(paused_daemon, group)
    load.start()
    wait_until(lambda: consumed(paused_daemon, group) > before + 100, 60, "it is at work")
    done = paused_daemon.cli("pause", group)
    at_pause = consumed(paused_daemon, group)
    assert all(line.endswith(" is paused") for line in done.stdout.splitlines())
    load.join()
    assert consumed(paused_daemon, group) == at_pause
    workers = [one for one in paused_daemon.status()["workers"] if one["name"].startswith(group)]
    assert {one["state"] for one in workers} == {"paused"}
    assert sum(one["lag"] for one in workers) >= 0
    paused_daemon.cli("resume", group)
    wait_until(lambda: consumed(paused_daemon, group) > at_pause, 60, "it goes on")
    wait_until(lambda: paused_daemon.json("reconcile", check=False)["in_flight"] == 0, 90, "all is done")


def test_a_worker_in_the_middle_of_a_batch_is_not_paused_yet(paused_daemon: Daemon) -> None:
    """Neither in the answer nor in the status, until the batch is stored."""
    name = "processor-purchase-0"
    with psycopg.connect(paused_daemon.dsn) as conn:
        conn.execute("LOCK TABLE processed_events IN SHARE MODE")
        paused_daemon.cli("generate", "--count", "600")
        wait_until(
            lambda: conn.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()[0][0],
            30,
            "a batch waits for the table",
        )
        done = paused_daemon.cli("pause", name, check=False)
        assert (done.returncode, "has not come to rest yet" in done.stdout) == (1, True), done.stdout
        assert paused_daemon.worker(name)["state"] == "running"
        conn.rollback()
    wait_until(lambda: paused_daemon.worker(name)["state"] == "paused", 30, "it is paused")
    paused_daemon.cli("resume", name)
    wait_until(lambda: paused_daemon.json("reconcile", check=False)["in_flight"] == 0, 60, "all is done")
