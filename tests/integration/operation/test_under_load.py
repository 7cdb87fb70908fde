"""Reloads, rolling restarts, scaling and a stop while requests come: each is answered, each event stored once."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from support.daemon import Daemon
from support.events import event
from support.steady import steady
from support.waiting import wait_until

pytestmark = pytest.mark.integration

# Requests a second.
RATE, FULL_RATE = 300.0, 1000.0
TURNS = 5
# What `etld restart` is given in turn; without a kind the supervisor re-executes itself too.
KINDS = (("ingest",), ("processor",), ())


@pytest.fixture(scope="module")
def busy(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon with one write key; each test counts from what the tests before it left."""
    daemon = make_daemon()
    keys = daemon.directory / "config" / "keys.toml"
    keys.write_text(key_table("first", "k1"))
    daemon.configure({"ingest.keys_file": str(keys)})
    with daemon.running():
        yield daemon


def key_table(name: str, key: str) -> str:
    return f'[{name}]\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n'


def pids(daemon: Daemon) -> dict[str, int]:
    return {worker["name"]: worker["pid"] for worker in daemon.status()["workers"]}


def rows(daemon: Daemon) -> int:
    with psycopg.connect(daemon.dsn) as connection:
        return int(connection.execute("SELECT count(*) FROM processed_events").fetchall()[0][0])


def reconciled(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.json("reconcile", "--wait", "60")
    assert found["ok"], found["differences"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_refused_lost_or_doubled(busy: Daemon) -> None:
    """Reloads that restart ingest and processors, restarts by kind or of all, 1 to 3 and back."""
    before = rows(busy)
    with steady(busy.http, FULL_RATE, "k1") as result:
        for turn in range(TURNS):
            busy.configure({"ingest.header_timeout": f"{16 + turn} s", "processor.linger": f"{60 + turn} ms"})
            said = busy.cli("reload").stdout
            assert "restart  ingest-0  (ingest.header_timeout)" in said
            assert "restart  processor-order-0  (processor.linger)" in said
            if turn == TURNS // 2:
                busy.cli("scale", "ingest", "3")
            busy.cli("restart", *KINDS[turn % len(KINDS)])
        busy.cli("scale", "ingest", "1")
    assert result.failures == {}
    assert result.accepted == result.sent > FULL_RATE * TURNS
    assert reconciled(busy)["table_rows"] == rows(busy) == before + result.accepted
    assert busy.status()["totals"]["duplicate"] == 0


def test_additions_disturb_nobody(busy: Daemon) -> None:
    """An event type with its schema, a rule, a summary, a write key, one more processor."""
    before, had = pids(busy), rows(busy)
    with steady(busy.http, RATE, "k1") as result:
        schema = busy.directory / "schemas" / "refund.avsc"
        text = (busy.directory / "schemas" / "order.avsc").read_text()
        schema.write_text(re.sub(r'"name": "Order"', '"name": "Refund"', text).replace("etld.order", "etld.refund"))
        settings = busy.settings()
        settings["event_types"]["refund"] = {"schema": "schemas/refund.avsc", "event_names": ["asked"]}
        settings["event_types"]["purchase"]["workers"] = 2
        settings["corrector"]["rules"].append({"name": "lower", "steps": [{"lower": "event_name"}]})
        settings["summaries"]["refund"] = {
            "event_types": ["refund"],
            "group_by": {"event_name": "event_name"},
            "measures": {"events": "count"},
            "bucket": "1 d",
        }
        busy.write(settings)
        keys = busy.directory / "config" / "keys.toml"
        keys.write_text(keys.read_text() + key_table("second", "k2"))
        planned = busy.json("reload", "--dry-run")
        assert pids(busy) == before
        done = busy.json("reload")
        assert done["plan"] == planned["plan"]
    by_action: dict[str, list[str]] = {}
    for step in done["plan"]:
        by_action.setdefault(step["action"], []).append(step["worker"])
    assert by_action == {
        "run": ["setup"],
        "start": ["processor-purchase-1", "processor-refund-0"],
        "reload": ["corrector-0", "ingest-0"],
        "restart": ["aggregator-0"],
    }
    why = {step["worker"]: step["why"] for step in done["plan"]}
    assert why["aggregator-0"] == ["event_types.refund", "summaries.refund"]
    assert why["processor-purchase-1"] == ["event_types.purchase.workers"]
    after = pids(busy)
    assert {name for name in before if before[name] != after[name]} == {"aggregator-0"}
    assert result.failures == {}
    refund = event("order", event_id=str(uuid.uuid4()), event_type="refund", event_name="ASKED")
    request = urllib.request.Request(f"{busy.http}/track", json.dumps(refund).encode(), {"X-Write-Key": "k2"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202  # the name is wrong: the new rule repairs it
    wait_until(lambda: rows(busy) == had + result.accepted + 1, 30, "the refund is stored")
    assert reconciled(busy)["table_rows"] == had + result.accepted + 1


def test_a_stop_under_load(busy: Daemon) -> None:
    """Clients are answered, or refused before they have sent anything; nothing that was answered is missing."""
    had, counted = rows(busy), busy.status()["totals"]["accepted"]
    with steady(busy.http, RATE, "k1") as result:
        wait_until(lambda: busy.status()["totals"]["accepted"] > counted + RATE, 20, "events come")
        assert busy.cli("stop").returncode == 0
    assert set(result.failures) == {"ConnectionRefusedError connecting"}
    assert result.accepted > RATE
    busy.start()
    assert reconciled(busy)["table_rows"] == rows(busy) == had + result.accepted
