"""The state that one program hands to the next: from an older one, from a newer one, from a stranger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.slots.machine import SlotState
from etld.supervisor.upgrade import handover

ROOT = Path(__file__).parents[3]


def state() -> dict[str, Any]:
    """A small one."""
    return {
        "format": handover.FORMAT,
        "config": "etld.toml",
        "kinds": "etld.supervisor.kinds:KINDS",
        "log_file": None,
        "began": 1.0,
        "scaled": {"ingest": 2},
        "pidfile": ["etld.pid", 3],
        "ports": {"http": 1, "kafka": 2, "postgres": 3},
        "control": 4,
        "listeners": ["127.0.0.1", 1, [[0, 5]]],
        "slots": [{"name": "ingest-0", "kind": "ingest", "rank": 3, "state": "running", "pid": 7, "restarts": 2}],
        "specs": [{"name": "ingest-0", "kind": "ingest", "index": 0}],
        "processes": [{"name": "ingest-0", "kind": "ingest", "pid": 7, "began": 1.0, "channel": 6}],
        "retiring": [[7, None]],
        "ledger": MetricsStore().save(),
    }


def handed(values: dict[str, Any]) -> int:
    fd = os.memfd_create("state")
    os.write(fd, json.dumps(values).encode())
    return fd


def test_fields_that_only_one_of_the_two_knows() -> None:
    """A newer program's are dropped, an older program's lack has its default."""
    values = state()
    for part in (values, values["slots"][0], values["specs"][0], values["processes"][0]):
        part["from_the_future"] = [1]
    del values["scaled"], values["retiring"]
    found = handover.read(handed(values))
    (slot,) = found.slots
    assert (slot.state, slot.pid, slot.restarts, slot.failures) == (SlotState.RUNNING, 7, 2, 0)
    assert (found.specs[0].event_type, found.processes[0].version, found.retiring) == (None, "?", [])


def _without_pid(values: dict[str, Any]) -> None:
    del values["processes"][0]["pid"]


def _new_state(values: dict[str, Any]) -> None:
    values["slots"][0]["state"] = "hibernating"


def _new_format(values: dict[str, Any]) -> None:
    values["format"] = handover.FORMAT + 1


def _new_kind(values: dict[str, Any]) -> None:
    values["slots"][0]["kind"] = "teleporter"


@pytest.mark.integration
@pytest.mark.parametrize("change", [_without_pid, _new_state, _new_format, _new_kind])
def test_what_is_not_understood_is_refused_by_the_check(change: Callable[[dict[str, Any]], None]) -> None:
    """So that the program that understands it goes on."""
    values = state()
    change(values)
    fd = handed(values)
    config = str(ROOT / "config" / "etld.toml")
    done = subprocess.run(
        [sys.executable, "-m", "etld.supervisor", "--check", "--config", config, "--state", str(fd)],
        pass_fds=(fd,),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(fd)
    assert done.returncode == 1
    assert done.stderr.startswith("etld: the running daemon cannot be taken over (")


def test_the_state_of_the_version_before_is_understood() -> None:
    """As 0.1.0 wrote it for a daemon of fake workers, before its supervisor was divided into rooms."""
    recorded = json.loads((Path(__file__).parent / "handover-0.1.0.json").read_text())
    found = handover.read(handed(recorded))
    assert [(slot.name, slot.state, slot.pid) for slot in found.slots] == [
        (slot["name"], SlotState(slot["state"]), slot["pid"]) for slot in recorded["slots"]
    ]
    assert [spec.name for spec in found.specs] == ["ground", "setup", "good-0", "good-1", "ingest-0"]
    assert {process.version for process in found.processes} == {"0.1.0"}
    assert found.metrics.totals()["accepted"] > 0
    assert found.listeners[1] == recorded["ports"]["http"]
