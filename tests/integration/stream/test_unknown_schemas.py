"""Thousands of records with schema ids that nobody knows, among good ones."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.fake_registry import FakeRegistry
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_GOOD = 3000
_DEAD = (
    "SELECT count(*) FROM etld.dead_letter WHERE error_class = 'UnknownSchemaId' "
    " AND error LIKE 'no schema has the id%'"
)


def _lags(daemon: Daemon) -> set[int | None]:
    return {one["lag"] for one in daemon.status()["workers"] if one["kind"] in ("processor", "aggregator")}


@contextmanager
def _registry(kind: str) -> Iterator[FakeRegistry | None]:
    if kind == "embedded":
        yield None
        return
    server = FakeRegistry()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(("kind", "unknown"), [("embedded", 12_000), ("rest", 2000)])
def test_they_become_dead_letters_and_hold_nobody_up(
    make_daemon: Callable[[], Daemon], kind: str, unknown: int
) -> None:
    """Every good event is stored, each of the others is a letter with its reason, and no worker hangs or is killed."""
    with _registry(kind) as server:
        daemon = make_daemon()
        daemon.configure({"breaker.ratio": 0.0})
        if server is not None:
            daemon.configure({"schema_registry.url": server.url})
        with daemon.running():
            etld = EtldClient(daemon)
            good = [purchase() for _ in range(_GOOD)]
            etld.send(good[:500])
            if server is not None:
                server.delay = 0.02
            began = time.monotonic()
            ids = range(1_000_000, 1_000_000 + unknown)
            etld.produce_all([(str(uuid.uuid4()), b"\0" + one.to_bytes(4) + b"\2a") for one in ids])
            etld.send(good[500:])
            wait_until(lambda: etld.stored(*(one["event_id"] for one in good)) == _GOOD, 60, "the good ones are stored")
            wait_until(lambda: etld.sql(_DEAD) == [(unknown,)], 60, "the others are dead letters")
            took = time.monotonic() - began
            assert [one["name"] for one in daemon.status()["workers"] if one["restarts"]] == []
            wait_until(lambda: _lags(daemon) == {0}, 30, "nothing waits")
            assert took < 45
            # One that is slow is not asked by each worker for itself, nor again and again.
            assert server is None or server.asked < 3 * unknown
