"""Two hosts, and a third that only takes events, on one database."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from support import shared_broker
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

LEASES = {"charts", "storage", "summaries", "hosts"}
#: Seconds: for so long a host that says nothing keeps its partitions.
SESSION_TIMEOUT = 15


@pytest.fixture
def hosts(make_daemon: Callable[[], Daemon], kafka: str, database: str) -> Iterator[dict[str, Daemon]]:
    shared = {**shared_broker.settings(kafka), "postgres.dsn": database}
    made = {name: make_daemon() for name in ("a", "b", "front")}
    for name, one in made.items():
        one.configure({**shared, "node_id": name, "kafka.session_timeout": f"{SESSION_TIMEOUT} s"})
    made["front"].configure({"roles.run": ["ingest"]})
    with ExitStack() as stack:
        for name in ("a", "b"):
            stack.enter_context(made[name].running())
        yield made


def seen(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """All hosts by name, as one of them tells."""
    return {one["node"]: one for one in daemon.json("status", "--cluster")["hosts"]}


def leases(daemon: Daemon) -> dict[str, set[str]]:
    """What each host does for all."""
    return {name: set(one["leases"]) for name, one in seen(daemon).items()}


def test_hosts_share_the_work_and_take_over(hosts: dict[str, Daemon]) -> None:
    """Who is killed is missed, and what it did for all goes over within 10 s; who stops is missed by nobody."""
    a, b, front = hosts["a"], hosts["b"], hosts["front"]
    wait_until(lambda: all(one["partitions"] for one in seen(a).values()), 30, "both read")
    states = {"a": "ready", "b": "ready"}
    wait_until(lambda: {name: one["state"] for name, one in seen(b).items()} == states, 10, "both are known to be well")
    assert leases(a) == {"a": LEASES, "b": set()}
    ids = [str(uuid.uuid4()) for _ in range(400)]
    EtldClient(a).send([{**purchase(), "event_id": one} for one in ids[:200]])

    os.kill(a.status()["pid"], signal.SIGKILL)
    wait_until(lambda: leases(b)["b"] == LEASES, 20, "the leases are taken over")
    EtldClient(b).send([{**purchase(), "event_id": one} for one in ids[200:]])
    wait_until(lambda: EtldClient(b).stored(*ids) == 400, 60, "nothing is lost")
    wait_until(lambda: "host a" in str(b.status()["faults"]), 30, "it is missed")
    assert seen(b)["a"]["state"] == "away"
    assert "is silent" in b.cli("status", "--cluster").stdout

    a.start()
    wait_until(lambda: seen(b)["a"]["partitions"] > 0 and not b.status()["faults"], 30, "it is back")
    a.stop()
    stopped = time.monotonic()
    wait_until(lambda: seen(b)["a"]["state"] == "stopped", 10)
    owners = "SELECT DISTINCT split_part(owner, '/', 1) FROM etld.kafka_position"
    wait_until(lambda: EtldClient(b).sql(owners) == [("b",)], 20, "its partitions are read")
    assert time.monotonic() - stopped < SESSION_TIMEOUT

    with front.running():
        told = seen(b)["front"]
        assert (told["state"], told["roles"], told["partitions"]) == ("not watched", ["ingest"], 0)
        assert {one["kind"] for one in front.status()["workers"]} == {"ingest"}
        EtldClient(front).send([{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(50)])
        report = b.json("reconcile", "--wait", "30", check=False)
        assert (report["differences"], report["in_flight"], report["table_rows"]) == ([], 0, 450)
