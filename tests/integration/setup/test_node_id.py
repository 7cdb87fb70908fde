"""A second daemon with a used node_id is the one that stops."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.processes import alive, children
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.configure({"node_id": "one"})
    with made.running():
        yield EtldClient(made)


def processes(etld: EtldClient) -> dict[str, tuple[int, int]]:
    return {one["name"]: (one["pid"], one["restarts"]) for one in etld.daemon.status()["workers"]}


def stored(etld: EtldClient) -> int:
    return int(etld.sql("SELECT count(*) FROM processed_events")[0][0])


def test_the_newcomer_stops_and_names_the_node_id(etld: EtldClient, make_daemon: Callable[[], Daemon]) -> None:
    """And whoever was at work goes on undisturbed."""
    before, count = processes(etld), stored(etld)
    other = make_daemon()
    other.configure({"node_id": "one", **etld.daemon.kafka_access(), "postgres.dsn": etld.dsn})
    done = other.cli("start", check=False)
    assert done.returncode != 0
    assert "node_id 'one' is that of another daemon" in done.stderr
    assert str(etld.daemon.state_dir) in done.stderr
    etld.track(purchase())
    wait_until(lambda: stored(etld) == count + 1, 30)
    assert processes(etld) == before
    assert etld.daemon.status()["state"] == "ready"


def test_the_successor_of_a_killed_daemon_does_not_wait(etld: EtldClient) -> None:
    """It is known by its state directory."""
    daemon, count = etld.daemon, stored(etld)
    [(before,)] = etld.sql("SELECT identity FROM etld.daemon")
    supervisor = daemon.status()["pid"]
    family = [supervisor]
    for pid in family:
        family += children(pid)
    os.kill(supervisor, signal.SIGKILL)
    # Its servers hold their ports until they have ended.
    wait_until(lambda: not any(map(alive, family)), 30)
    daemon.start()
    assert etld.sql("SELECT identity FROM etld.daemon") == [(before,)]
    assert "node_id 'one' is that" not in daemon.logs()
    etld.track(purchase())
    wait_until(lambda: stored(etld) == count + 1, 30)


def test_one_that_went_away_without_a_word_is_replaced(etld: EtldClient) -> None:
    """Another state directory, and no beat for ten seconds: the node_id is free, and is taken at once."""
    daemon = etld.daemon
    etld.sql("UPDATE etld.daemon SET identity = 'gone', beat_at = now() - interval '11 s'")
    daemon.cli("restart", "processor")
    wait_until(lambda: etld.sql("SELECT identity FROM etld.daemon")[0][0] != "gone", 30)


def test_a_daemon_whose_node_id_was_taken_stops_its_workers(etld: EtldClient) -> None:
    """It was away for long, and another has its place."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        etld.sql("UPDATE etld.daemon SET identity = 'other', place = 'far away', beat_at = now()")
        if etld.daemon.worker("processor-order-0")["state"] == "fatal":
            break
        time.sleep(0.3)
    assert "far away" in etld.daemon.worker("processor-order-0")["last_error"]
