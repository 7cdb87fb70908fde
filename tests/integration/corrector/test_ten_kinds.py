"""A daemon repairs ten kinds of broken events, at once or by replay, each exactly once."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
import termios
import time
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.broken_events import pairs
from support.daemon import Daemon
from support.waiting import wait_until
from support.warm_cli import PROGRAM

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
DOCS = (ROOT / "docs" / "corrector.md").read_text()
RULES_FILE = re.findall(r"```toml\n(# rules\.toml.*?)```", DOCS, re.DOTALL)[0]
RULES = tomllib.loads(RULES_FILE)["corrector"]["rules"]


def send(daemon: Daemon, events: list[dict[str, Any]]) -> None:
    """POST events in batches; all must be answered with a 2xx."""
    url = daemon.status()["addresses"]["http"] + "/v1/batch"
    for start in range(0, len(events), 500):
        body = json.dumps({"batch": events[start : start + 500]}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert 200 <= answer.status < 300


def states(daemon: Daemon) -> dict[str, int]:
    """Number of letters by state, without those that have none."""
    return {state: n for state, n in daemon.json("dlq", "stats")["states"].items() if n}


def on_a_terminal(daemon: Daemon, width: int, *args: str) -> list[str]:
    """The lines that `etld ARGS` shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, width))
    env = {name: value for name, value in daemon.env.items() if name != "COLUMNS"}
    command = subprocess.Popen([PROGRAM, *args], cwd=daemon.directory, env={**env, "NO_COLOR": "1"}, stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 65536):
            shown += some
    except OSError:
        pass  # The other end is closed.
    os.close(ours)
    assert command.wait(30) in (0, 1)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()


def rows(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """The table by event_id, in the words of an event."""
    with psycopg.connect(daemon.status()["addresses"]["postgres"]) as conn:
        found = conn.execute(
            "SELECT event_id::text, event_name, event_type, to_char(triggered_at AT TIME ZONE 'UTC',"
            ' \'YYYY-MM-DD"T"HH24:MI:SS"Z"\'), user_details, event_details FROM public.processed_events'
        ).fetchall()
    names = ("event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details")
    assert len({row[0] for row in found}) == len(found)
    return {row[0]: dict(zip(names, row, strict=True)) for row in found}


def same(stored: dict[str, Any], right: dict[str, Any]) -> bool:
    """Is a row the event, apart from optional fields that are null?"""
    details = {key: value for key, value in stored["user_details"].items() if value is not None}
    return {**stored, "user_details": details} == right


@pytest.fixture
def daemon(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon without rules."""
    made = make_daemon()
    made.configure({"corrector.rules": []})
    with made.running():
        yield made


def test_without_rules_all_park_and_with_rules_all_are_stored(daemon: Daemon) -> None:  # noqa: PLR0915  # one story
    """Parked with a reason each; tested without a change; after reload and replay stored once with right values."""
    each = 100
    both = pairs(each)
    total = len(both)
    send(daemon, [broken for broken, _ in both])
    wait_until(lambda: states(daemon) == {"parked": total}, 60, "all are parked")
    wait_until(lambda: daemon.status()["totals"]["parked"] == total, 10, "status tells it")
    lines = daemon.cli("dlq", "list", "--json").stdout.splitlines()
    listed = [json.loads(line) for line in lines]
    assert len(listed) == total
    assert all(one["reason"] and one["error"] and one["state"] == "parked" for one in listed)
    assert {one["event_id"] for one in listed} == {right["event_id"] for _, right in both}

    for command, tables in (
        (("dlq", "stats"), {"type", "day"}),
        (("dlq", "list"), {"id"}),
        (("reconcile",), {"partition"}),
    ):
        shown = on_a_terminal(daemon, 80, *command)
        assert max(map(len, shown)) <= 80
        titles = [line for line in shown if line.split()[:1] and line.split()[0] in tables]
        assert {line.split()[0] for line in titles} == tables
        assert not [line for line in titles if "…" in line]

    # A rule that does not do it: says which and why, changes nothing.
    wrong = daemon.directory / "wrong.toml"
    wrong.write_text('[[corrector.rules]]\nname = "half"\nsteps = [{ trim = "*" }]\n')
    tested = daemon.cli("dlq", "test", "--file", str(wrong), "--all", check=False)
    assert tested.returncode == 1
    assert tested.stdout.count("still broken") == total - each
    assert f"{each:,} would be repaired" in tested.stdout
    assert states(daemon) == {"parked": total}

    # A rule with a mistake: refused, with its line.
    wrong.write_text('[[corrector.rules]]\nname = "typo"\nsteps = [{ trin = "*" }]\n')
    refused = daemon.cli("dlq", "test", "--file", str(wrong), check=False)
    assert refused.returncode == 1
    assert "wrong.toml:3: corrector.rules[0].steps[0].trin" in refused.stderr
    assert "did you mean 'trim'" in refused.stderr

    daemon.configure({"corrector.rules": [{"name": "typo", "steps": [{"trin": "*"}]}]})
    reloaded = daemon.cli("reload", check=False)
    assert reloaded.returncode == 1
    assert "did you mean 'trim'" in reloaded.stderr + reloaded.stdout
    assert daemon.status()["state"] == "ready"

    right_file = daemon.directory / "rules.toml"
    right_file.write_text(RULES_FILE)
    daemon.configure({"corrector.rules": []})
    assert daemon.cli("dlq", "test", "--file", str(right_file), "--all").returncode == 0
    daemon.configure({"corrector.rules": RULES})
    daemon.cli("reload")
    assert daemon.json("dlq", "replay", "--state", "parked", "--yes") == {"replayed": total, "interrupted": False}
    wait_until(lambda: states(daemon) == {"resolved": total}, 60, "all are resolved")
    stored = rows(daemon)
    assert len(stored) == total
    assert [right["event_id"] for _, right in both if not same(stored[right["event_id"]], right)] == []
    assert daemon.json("dlq", "replay", "--state", "parked", "--yes") == {"replayed": 0, "interrupted": False}
    wait_until(lambda: daemon.status()["totals"]["repaired"] == total, 10, "status tells it")

    # And at once, without a person: the same events again are duplicates, new ones are repaired.
    fresh = pairs(each, first=each + 1)
    send(daemon, [broken for broken, _ in both[::50]] + [broken for broken, _ in fresh])
    wait_until(lambda: len(rows(daemon)) >= 2 * total, 60, "the new ones are stored")
    wait_until(lambda: set(states(daemon)) == {"resolved"}, 30, "nothing is left over")
    stored = rows(daemon)
    assert len(stored) == 2 * total
    assert [right["event_id"] for _, right in both + fresh if not same(stored[right["event_id"]], right)] == []


def test_by_hand(daemon: Daemon) -> None:
    """show, replay --set, discard, and the way back."""
    send(daemon, [broken for broken, _ in pairs(1)])
    wait_until(lambda: states(daemon) == {"parked": 10}, 60, "all are parked")
    by_error = {
        json.loads(line)["error"]: json.loads(line) for line in daemon.cli("dlq", "list", "--json").stdout.splitlines()
    }
    comma = next(one for error, one in by_error.items() if "1,5" in error)
    shown = daemon.cli("dlq", "show", comma["id"]).stdout
    assert "1,5" in shown
    assert comma["event_id"] in shown
    assert daemon.json("dlq", "show", comma["event_id"])["event"]["event_details"]["price"] == "1,5"

    bad = daemon.cli("dlq", "replay", comma["id"], "--set", "event_details.price=much", check=False)
    assert bad.returncode == 1
    assert "event_details.price" in bad.stderr
    assert states(daemon) == {"parked": 10}
    daemon.cli("dlq", "replay", comma["id"], "--set", "event_details.price=1.5")
    wait_until(lambda: states(daemon) == {"parked": 9, "resolved": 1}, 30, "it is stored")
    history = daemon.json("dlq", "show", comma["id"])["history"]
    assert [one["rule"] for one in history] == [None, "(by hand)"]
    assert history[-1]["outcome"] == "stored"

    other = next(one for one in by_error.values() if one["id"] != comma["id"])
    daemon.cli("dlq", "discard", other["id"], "--reason", "test data")
    assert states(daemon) == {"parked": 8, "resolved": 1, "discarded": 1}
    daemon.cli("dlq", "replay", other["id"])
    wait_until(lambda: states(daemon) == {"parked": 9, "resolved": 1}, 30, "it is parked again")

    assert daemon.cli("dlq", "replay", check=False).returncode == 2
    assert daemon.cli("dlq", "show", "00000000", check=False).returncode == 1
    assert daemon.cli("dlq", "list", "--error", "(", check=False).returncode == 2
    assert len(daemon.cli("dlq", "list", "--json", "--error", "PURCHASE").stdout.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.faults
def test_kills_during_a_replay(daemon: Daemon) -> None:
    """Kill -9 of the corrector at 20 random moments: each of 2,500 events once, the audit complete."""
    seed = int(os.environ.get("ETLD_TEST_SEED", "0")) or random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    both = pairs(250)
    total = len(both)
    send(daemon, [broken for broken, _ in both])
    wait_until(lambda: states(daemon) == {"parked": total}, 60, "all are parked")
    daemon.configure({"corrector.rules": RULES, "corrector.rate": 75})
    daemon.cli("reload")
    daemon.cli("dlq", "replay", "--state", "parked", "--yes")
    kills = 0
    while states(daemon) != {"resolved": total}:
        time.sleep(chance.uniform(0.0, 0.6))
        worker = next(w for w in daemon.status()["workers"] if w["name"] == "corrector-0")
        if kills < 20 and worker["pid"] and worker["state"] == "running":
            os.kill(worker["pid"], signal.SIGKILL)
            kills += 1
        assert daemon.status(), daemon.logs()
    assert kills == 20
    stored = rows(daemon)
    assert len(stored) == total
    assert all(same(stored[right["event_id"]], right) for _, right in both)
    with psycopg.connect(daemon.status()["addresses"]["postgres"]) as conn:
        audit = conn.execute("SELECT outcome, count(*) FROM etld.dead_letter_attempt GROUP BY 1 ORDER BY 1").fetchall()
        complete = conn.execute(
            "SELECT count(*) FROM etld.dead_letter d WHERE attempts ="
            " (SELECT count(*) FROM etld.dead_letter_attempt a WHERE a.dead_letter_id = d.id)"
        ).fetchone()
    assert audit == [("parked", total), ("stored", total)]
    assert complete == (total,)
