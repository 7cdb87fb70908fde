"""Nothing comes through to PostgreSQL or back, and no connection ends: what a firewall does that forgot them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from faults.scenarios.database import consumers
from faults.world import World

from support import letters
from support.waiting import wait_until

pytestmark = pytest.mark.integration

# Twice what a worker may be silent before it counts as hung.
LASTS = 20.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A daemon whose PostgreSQL is behind the proxy."""
    made = World()
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_no_worker_is_taken_for_hung(world: World) -> None:
    """Idle ones and one with a batch alike wait it out, and then go on."""
    sender = letters.World(world.daemon)
    sender.send([letters.purchase() for _ in range(50)])
    stored = "SELECT count(*) FROM processed_events"
    wait_until(lambda: world.sql(stored) == [(50,)], 60)
    before, mark = consumers(world), world.log_end()
    world.proxy.blackhole = True
    began = time.monotonic()
    sender.send([letters.purchase() for _ in range(50)])
    wait_until(lambda: world.proxy.held, LASTS, "something is held back")
    wait_until(lambda: time.monotonic() >= began + LASTS, LASTS + 5)
    world.proxy.heal()
    wait_until(lambda: world.sql(stored) == [(100,)], 60)
    assert consumers(world) == before
    assert not world.said("hung", "Fatal Python error", since=mark)
