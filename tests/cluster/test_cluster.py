"""A small part of the cluster suite; `make cluster` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import network
from cluster.scenarios import load_all
from cluster.system import ClusterSystem
from etld.embedded import choice
from faults import report
from faults.run import Options
from faults.runner import Runner

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.slow]

FAULTS = load_all()
CHOSEN = ("kill-host",)


@pytest.fixture(scope="module")
def runner(kafka_cache: Path) -> Iterator[Runner]:
    """One cluster for all rows."""
    lacks = network.missing() or choice.missing(kafka_cache)
    if lacks:
        pytest.skip(lacks)
    made = Runner(Options(seed=1, kills=1, outage=3.0, rate=150.0), make=ClusterSystem)
    yield made
    made.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_many_hosts_lose_nothing(runner: Runner, name: str) -> None:
    """Every acknowledged event is stored once or is a dead letter, and the fault did fire."""
    row = runner.run(FAULTS[name])
    assert row.ok, report.line(row)


def test_a_place_hears_only_what_it_is_sent() -> None:
    """One direction is cut, then both, then none; what runs in a place ends with it."""
    if lacks := network.missing():
        pytest.skip(lacks)
    made = network.Network()
    try:
        one, other = made.place("a"), made.place("b")

        def reaches(here: network.Place, there: network.Place) -> bool:
            # Nobody listens: who is reached refuses at once.
            with pytest.raises(AssertionError) as failed:
                here.run("timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{there.address}/9")
            return "refused" in str(failed.value)

        assert reaches(one, other)
        other.drop(one)
        assert not reaches(one, other)
        made.heal()
        assert reaches(one, other)
        one.unplug()
        assert not reaches(other, one)
    finally:
        made.remove()
    assert not list(Path("/run/netns").glob(f"{made.tag}*"))
