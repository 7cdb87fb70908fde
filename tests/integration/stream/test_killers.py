"""Records that end the process which works on them: found out, dead letters, and their neighbours rows."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.killing_code import ENDS, HOW, transform_module
from support.processes import children
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.directory.joinpath("killing.py").write_text(transform_module())
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"event_types.purchase.transform": "killing:purchase"})
    with made.running():
        yield EtldClient(made)


def letters(etld: EtldClient, events: list[dict[str, Any]]) -> dict[str, tuple[str, str, str]]:
    """Stage, class and message of each that is a dead letter, by event id."""
    ids = [one["event_id"] for one in events]
    rows = etld.sql("SELECT event_id, stage, error_class, error FROM etld.dead_letter WHERE event_id = ANY(%s)", ids)
    return {str(event_id): (stage, kind, error) for event_id, stage, kind, error in rows}


@contextmanager
def watched(etld: EtldClient) -> Iterator[dict[str, set[str]]]:
    """States of workers and faults of the daemon, as they are seen while the body runs."""
    seen: dict[str, set[str]] = {"states": set(), "faults": set()}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            status = etld.daemon.status()
            seen["states"] |= {worker["state"] for worker in status.get("workers", [])}
            seen["faults"] |= set(status.get("faults", []))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def settled(etld: EtldClient, good: list[dict[str, Any]], bad: list[dict[str, Any]], timeout: float) -> None:
    """All is where it belongs, summaries too, and the daemon is well."""
    ids = [one["event_id"] for one in good]
    wait_until(lambda: etld.stored(*ids) == len(ids), timeout, "good events are stored")
    wait_until(lambda: len(letters(etld, good + bad)) == len(bad), timeout, "killers are dead letters")
    wait_until(lambda: etld.daemon.status().get("state") == "ready", timeout, "the daemon is well again")
    assert etld.daemon.json("reconcile", "--wait", "120")["ok"]
    assert set(letters(etld, good)) == set()


def test_each_kind_of_killer_is_found(etld: EtldClient) -> None:
    """Whatever way it ends the process; no worker is given up, and the others go on meanwhile."""
    good = [purchase() for _ in range(400)]
    bad = [purchase(item_name=name) for name in ENDS]
    mixed = good + bad
    random.Random(7).shuffle(mixed)
    with watched(etld) as seen:
        etld.send(mixed)
        others = [{"event_id": one["event_id"], **event("order")} for one in (purchase() for _ in range(50))]
        etld.send(others)
        ids = [one["event_id"] for one in others]
        wait_until(lambda: etld.stored(*ids) == len(ids), 60, "the other event type's are stored at once")
        settled(etld, good, bad, 200)
    assert "fatal" not in seen["states"]
    assert any("searching event_purchase:" in one for one in seen["faults"])
    found = letters(etld, bad)
    for one in bad:
        stage, kind, error = found[one["event_id"]]
        assert (stage, kind) == ("TRANSFORM", "WORKER_KILLED")
        assert HOW[one["event_details"]["item_name"]] in error
        assert "3 times" in error


def test_kills_from_outside_condemn_nothing(etld: EtldClient) -> None:
    """Workers and the children that search are shot at random while killers are searched."""
    good = [purchase() for _ in range(2000)]
    bad = [purchase(item_name=name) for name in ("exit", "crash", "raise", "exit")]
    mixed = good + bad
    random.Random(8).shuffle(mixed)
    shot = {"worker": 0, "child": 0}
    until = time.monotonic() + 15
    rng = random.Random(9)
    etld.send(mixed)
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.0, 0.4))
        workers = [one["pid"] for one in etld.daemon.status()["workers"] if one["kind"] in ("processor", "aggregator")]
        servers = [pid for worker in workers if worker for pid in children(worker)]
        tries = [pid for server in servers for pid in children(server)]
        for kind, pids in (("child", servers + tries), ("worker", workers if rng.random() < 0.2 else [])):
            if pids and (pid := rng.choice(pids)):
                try:
                    os.kill(pid, signal.SIGKILL)
                    shot[kind] += 1
                except ProcessLookupError:
                    pass
    settled(etld, good, bad, 200)
    assert min(shot.values()) > 0
    assert {kind for _, kind, _ in letters(etld, bad).values()} == {"WORKER_KILLED"}
