"""A representative part of the fault suite; `make faults` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.embedded import choice
from faults import report
from faults.run import Options
from faults.runner import Runner
from faults.scenarios import load_all

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.slow]

FAULTS = load_all()
CHOSEN = (
    "kill-processor",
    "kill-ingest",
    "kill-corrector-before-mark",
    "kill-aggregator",
    "end-backends",
    "lose-commit",
    "database-read-only",
    "kill-broker",
    "poison",
    "kill-supervisor",
)


@pytest.fixture(scope="module")
def runner(kafka_cache: Path) -> Iterator[Runner]:
    """One system for all rows; the next one is made when a row has left it unwell."""
    lacks = choice.missing(kafka_cache)
    if lacks:
        pytest.skip(f"Apache Kafka needs {lacks}")
    made = Runner(Options(seed=1, kills=1, outage=3.0, rate=200.0))
    yield made
    made.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_nothing_is_lost_and_nothing_stored_twice(runner: Runner, name: str) -> None:
    """Every acknowledged event is stored once or is a dead letter, and the fault did fire."""
    row = runner.run(FAULTS[name])
    assert row.ok, report.line(row)
