"""Letters that end the process which works on them: found out and parked, and their neighbours repaired."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.killing_code import ENDS, HOW, hook_module
from support.processes import children
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.directory.joinpath("deadly.py").write_text(hook_module())
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    rules = [{"name": "deadly", "steps": [{"trim": "*"}, {"cast": "*"}], "hook": "deadly:repair"}]
    made.configure({"corrector.rules": rules, "supervisor.max_memory": "500 MiB"})
    with made.running():
        yield EtldClient(made)


def broken(name: str = "thing") -> dict[str, Any]:
    """An event that ingest refuses and the rule repairs, if its hook lives."""
    return purchase(item_name=name, price=" 7.25 ")


def settled(etld: EtldClient, good: list[dict[str, Any]], bad: list[dict[str, Any]]) -> dict[str, str]:
    """Wait until all are where they belong; the reasons of the parked."""
    ids = [one["event_id"] for one in good]
    reasons: dict[str, str] = {}

    def parked() -> bool:
        named = [one["event_id"] for one in bad]
        rows = etld.sql(
            "SELECT event_id::text, reason FROM etld.dead_letter WHERE event_id = ANY(%s) AND state = 'parked'", named
        )
        reasons.update(rows)
        return len(reasons) == len(bad)

    wait_until(lambda: etld.stored(*ids) == len(ids), 150, "the others are repaired and stored")
    wait_until(parked, 150, "killers are parked")
    wait_until(lambda: etld.daemon.status().get("state") == "ready", 60, "the daemon is well again")
    return reasons


def test_each_kind_of_killer_is_parked(etld: EtldClient) -> None:
    """With the way in which it ends processes; the corrector is not given up, and no command dies of such a letter."""
    good = [broken() for _ in range(60)]
    bad = [broken(name) for name in ENDS]
    mixed = good + bad
    random.Random(3).shuffle(mixed)
    etld.send(mixed)
    reasons = settled(etld, good, bad)
    for one in bad:
        name, reason = one["event_details"]["item_name"], reasons[one["event_id"]]
        assert (HOW[name] if name != "loop" else "did not return within 10 s") in reason, (name, reason)
        if name not in ("loop", "raise"):  # a hook that does not return, or leaves, is given up without that
            assert reason.startswith("WORKER_KILLED at CORRECTION: ")
            assert "3 times" in reason
    crash = next(one for one in bad if one["event_details"]["item_name"] == "crash")
    shown = etld.daemon.json("dlq", "show", crash["event_id"])
    assert shown["event"]["event_details"]["item_name"] == "crash"
    corrector = etld.daemon.worker("corrector-0")
    assert corrector["state"] == "running"
    assert corrector["restarts"] <= 3, "one letter that ended it makes it careful with the others"
    assert etld.daemon.json("reconcile", "--wait", "120")["ok"]


def test_kills_from_outside_park_nobody(etld: EtldClient) -> None:
    """The corrector and what searches for it are shot at random while killers are searched."""
    good = [broken() for _ in range(300)]
    bad = [broken(name) for name in ("exit", "crash", "exit")]
    mixed = good + bad
    rng = random.Random(4)
    rng.shuffle(mixed)
    etld.send(mixed)
    shot = {"corrector": 0, "searching": 0}
    until = time.monotonic() + 12
    while time.monotonic() < until or not all(shot.values()):
        time.sleep(rng.uniform(0.0, 0.3))
        corrector = etld.daemon.worker("corrector-0")["pid"]
        servers = list(children(corrector)) if corrector else []
        tries = [pid for server in servers for pid in children(server)]
        aims = [("searching", servers + tries), ("corrector", [corrector] if rng.random() < 0.15 else [])]
        for kind, pids in aims:
            if pids and (pid := rng.choice(pids)):
                try:
                    os.kill(pid, signal.SIGKILL)
                    shot[kind] += 1
                except ProcessLookupError:
                    pass
        assert time.monotonic() < until + 60, f"nothing to shoot at: {shot}"
    reasons = settled(etld, good, bad)
    assert all(reason.startswith("WORKER_KILLED at CORRECTION: ") for reason in reasons.values())
