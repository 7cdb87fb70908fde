"""Repairs that fail again by the hundred are held back, in plain sight, until something has changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

CAST = {"name": "cast", "steps": [{"cast": "*"}]}
CLAMP = {"name": "clamp", "steps": [{"cast": "*"}, {"clamp": {"field": "event_details.price", "max": 100.0}}]}
COUNT = 600
REFUSES = (
    "ALTER TABLE processed_events ADD CONSTRAINT dear CHECK"
    " (event_details ->> 'price' IS NULL OR (event_details ->> 'price')::float8 <= 100)"
)


@pytest.fixture
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon with a table that refuses what the rule makes, and a breaker that only a person closes."""
    made = make_daemon()
    limits = {"ratio": 0.5, "window": 40, "retry_after": "0 s"}
    made.configure({"corrector.rules": [CAST], "corrector.rate": 100, "breaker": limits})
    with made.running():
        found = EtldClient(made)
        found.sql(REFUSES)
        yield found


def _sent(etld: EtldClient) -> int:
    """How many repairs were sent at all."""
    rows = etld.sql("SELECT count(*) FROM etld.dead_letter_attempt WHERE outcome NOT IN ('parked', 'repaired')")
    return int(rows[0][0])


def _faults(etld: EtldClient) -> list[str]:
    return [text for text in etld.daemon.json("health", check=False)["problems"] if "failed for good" in text]


def _held(etld: EtldClient) -> int:
    """Wait until it is open and all that was under way has come back; how many were sent."""
    wait_until(lambda: bool(_faults(etld)), 30, "the breaker opens")
    wait_until(lambda: not etld.states().get("resent"), 30, "what was under way is back")
    return _sent(etld)


def test_it_opens_stays_open_over_a_crash_and_closes_by_resume(etld: EtldClient) -> None:
    """Nothing is lost meanwhile: what was not sent waits, and is stored when the table takes it."""
    etld.send([purchase(price="500") for _ in range(COUNT)])
    sent = _held(etld)
    assert 20 < sent < 0.8 * COUNT
    assert "etld resume corrector" in _faults(etld)[0]
    etld.send([purchase(price=5) for _ in range(100)])
    stored = "SELECT count(*) FROM processed_events"
    wait_until(lambda: etld.sql(stored) == [(100,)], 30, "live events go on")
    restarts = etld.daemon.worker("corrector-0")["restarts"]
    os.kill(etld.daemon.worker("corrector-0")["pid"], signal.SIGKILL)
    wait_until(lambda: etld.daemon.worker("corrector-0")["restarts"] > restarts, 30, "it was started anew")
    wait_until(lambda: bool(_faults(etld)), 30, "it is open as before")
    assert _sent(etld) == sent
    etld.sql("ALTER TABLE processed_events DROP CONSTRAINT dear")
    etld.daemon.cli("resume", "corrector")
    wait_until(lambda: set(etld.states()) == {"resolved", "parked"}, 60, "the rest is stored")
    assert not _faults(etld)
    etld.daemon.cli("dlq", "replay", "--state", "parked", "--yes")
    wait_until(lambda: etld.states() == {"resolved": COUNT}, 60, "all are")
    assert etld.sql(stored) == [(100 + COUNT,)]
    assert etld.daemon.json("reconcile", "--wait", "120")["ok"]


def test_better_rules_close_it(etld: EtldClient) -> None:
    """A reload is enough, and what was not sent by the old rule is repaired by the new one."""
    etld.send([purchase(price="500") for _ in range(COUNT)])
    _held(etld)
    etld.daemon.configure({"corrector.rules": [CLAMP]})
    etld.daemon.cli("reload")
    wait_until(lambda: set(etld.states()) <= {"resolved", "parked"}, 60, "all have been dealt with")
    assert not _faults(etld)
    etld.daemon.cli("dlq", "replay", "--state", "parked", "--yes")
    wait_until(lambda: etld.states() == {"resolved": COUNT}, 60, "all are stored")


def test_it_tries_by_itself(etld: EtldClient) -> None:
    """After breaker.retry_after a few repairs show whether it may close; as long as they fail, it opens again."""
    etld.daemon.configure({"breaker.retry_after": "2 s"})
    etld.daemon.cli("reload")
    etld.send([purchase(price="500") for _ in range(COUNT)])
    sent = _held(etld)
    wait_until(lambda: _sent(etld) > sent, 30, "it tries")
    assert _held(etld) < COUNT
    etld.sql("ALTER TABLE processed_events DROP CONSTRAINT dear")
    wait_until(lambda: set(etld.states()) == {"resolved", "parked"}, 60, "the rest is stored")
    assert not _faults(etld)


def test_letters_that_take_two_rules_do_not_open_it(etld: EtldClient) -> None:
    """Each fails once and is stored then."""
    refused = {"name": "clamp", "match": {"sqlstate": "23514"}, "steps": CLAMP["steps"][1:]}
    etld.daemon.configure({"corrector.rules": [CAST, refused]})
    etld.daemon.cli("reload")
    etld.send([purchase(price="500") for _ in range(COUNT)])
    wait_until(lambda: etld.states() == {"resolved": COUNT}, 90, "all are stored")
    assert not _faults(etld)
    assert etld.chains() == {("failed", "stored"): COUNT}
