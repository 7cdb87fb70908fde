"""What correctors work by: the bounds of ingest, as of when the event came, and what a reload tells them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.daemon import Daemon
from support.letters import World, purchase

pytestmark = pytest.mark.integration

RULES = [{"name": "cast", "steps": [{"cast": "*"}]}]


@pytest.fixture(scope="module")
def world(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon whose corrector has no rules yet."""
    made = make_daemon()
    made.configure({"corrector.rules": []})
    try:
        made.start()
        yield World(made)
    finally:
        made.stop()


def test_an_event_that_came_in_time_can_be_repaired_later(world: World) -> None:
    """[ingest] max_age, which a reload tells correctors too, is judged as of when the event came."""
    then = datetime.now(UTC) - timedelta(days=2)
    timely, late, by_hand = ({**purchase(price="2.5"), "triggered_at": then.isoformat()} for _ in range(3))
    for event in (timely, late, by_hand):
        assert world.track(event)["status"] == "dead_lettered"
        world.letter(event["event_id"], "parked")
    world.sql(
        "UPDATE etld.dead_letter SET queued_at = queued_at - interval '2 days' WHERE event_id = ANY(%s)",
        [timely["event_id"], by_hand["event_id"]],
    )
    world.daemon.configure({"corrector.rules": RULES})
    world.daemon.cli("reload")
    world.daemon.configure({"ingest.max_age": "1 h"})
    world.daemon.cli("reload")
    world.daemon.cli("dlq", "replay", timely["event_id"], late["event_id"])
    world.letter(timely["event_id"], "resolved")
    assert world.price(timely["event_id"]) == 2.5
    assert "triggered_at: expected a time at most 3600 s ago" in world.letter(late["event_id"], "parked")["reason"]
    assert "repaired by cast" in world.daemon.cli("dlq", "test", "--id", by_hand["event_id"]).stdout
    world.daemon.cli("dlq", "replay", by_hand["event_id"], "--set", "event_details.price=3.5")
    world.letter(by_hand["event_id"], "resolved")
    assert world.price(by_hand["event_id"]) == 3.5
