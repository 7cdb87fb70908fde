"""Several correctors share the letters; a reload and a replay hold for all of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

RATE = 300
RULES = [{"name": "cast", "steps": [{"cast": "*"}]}]


@pytest.fixture
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """Three correctors without rules."""
    made = make_daemon()
    made.configure({"corrector.rules": [], "corrector.workers": 3, "corrector.rate": RATE})
    with made.running():
        yield EtldClient(made)


def correctors(etld: EtldClient) -> list[dict[str, Any]]:
    return [one for one in etld.daemon.status().get("workers", []) if one["kind"] == "corrector"]


@pytest.mark.slow
def test_three_workers_killed_and_a_replay_killed(etld: EtldClient) -> None:
    """Each letter is replayed once, repaired once and stored once, at the rate and not faster."""
    total = 1500
    events = [purchase(item_id=number, price=f"{number}.5") for number in range(total)]
    etld.send(events)
    wait_until(lambda: etld.states() == {"parked": total}, 60, "all are parked")

    etld.daemon.configure({"corrector.rules": RULES})
    etld.daemon.cli("reload")
    # At once: no worker may try the rules of before.
    replay = subprocess.Popen(
        [str(Path(sys.executable).with_name("etld")), "dlq", "replay", "--state", "parked", "--yes"],
        env=etld.daemon.env,
        cwd=etld.daemon.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: etld.states() != {"parked": total}, 30, "the replay has begun", interval=0.001)
    replay.kill()
    replay.wait()
    etld.daemon.json("dlq", "replay", "--state", "parked", "--yes")

    chance = random.Random(7)
    killed: set[str] = set()
    while etld.states() != {"resolved": total}:
        alive = [one for one in correctors(etld) if one["state"] == "running" and one["name"] not in killed]
        if alive:
            victim = chance.choice(alive)
            os.kill(victim["pid"], signal.SIGKILL)
            killed.add(victim["name"])
    assert len(killed) == 3

    assert etld.sql("SELECT count(*), count(DISTINCT event_id) FROM processed_events") == [(total, total)]
    assert etld.sql(
        "SELECT count(*) FROM processed_events"
        " WHERE (event_details ->> 'price')::float8 <> (event_details ->> 'item_id')::float8 + 0.5"
    ) == [(0,)]
    assert etld.chains() == {("parked", "stored"): total}
    ((seconds,),) = etld.sql("SELECT extract(epoch FROM max(processed_at) - min(processed_at)) FROM processed_events")
    assert seconds > 0.7 * total / RATE
    report = etld.daemon.json("reconcile", check=False)
    assert [line for line in report["differences"] if "summary" not in line] == []
