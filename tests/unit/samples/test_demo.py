"""The demo's look at what became of its events."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from etld.config import load
from etld.samples.demo import Demo, DemoCounts

DEFAULT = Path(__file__).parents[3] / "config" / "etld.toml"


def demo(tmp_path: Path, workers: list[dict[str, Any]]) -> Demo:
    """One whose charts are in the directory; it looks at no database here."""
    config = load(DEFAULT, {"ETLD_CHARTS__DIR": str(tmp_path)})
    return Demo(config, None, lambda: workers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lags", "expected"),
    [([0], 0), ([0, None], 1), ([3, 4], 7), ([], 0)],
)
def test_the_lag_is_that_of_all_aggregators(tmp_path: Path, lags: list[int | None], expected: int) -> None:
    """One that does not say yet is not done."""
    workers = [{"kind": "aggregator", "lag": lag} for lag in lags]
    assert demo(tmp_path, [*workers, {"kind": "processor", "lag": 9}]).lag() == expected


def test_the_charts_are_those_drawn_after_the_sums(tmp_path: Path) -> None:
    """The newest dated picture of each, in the order of the configuration."""
    expected = []
    for name in ("purchase_summary", "placing_order_summary", "transit_delivery_summary"):
        for suffix in ("20260101_000000", "20260102_000000", "latest"):
            path = tmp_path / f"{name}_{suffix}.png"
            path.touch()
            os.utime(path, (2000.0, 2000.0))
        expected.append(tmp_path / f"{name}_20260102_000000.png")
    assert demo(tmp_path, []).await_charts(sent=1000.0, summed=1500.0) == expected


class Database:
    """Answers the demo's counts: rows, letters, filtered events, by how often it was asked for the rows."""

    def __init__(self, *counts: tuple[int, int, int]) -> None:
        self.counts = list(counts)
        self.now = (0, 0, 0)

    def execute(self, query: str) -> Database:
        """Remember what is asked."""
        if "processed_events" in query:
            self.now = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        self.place = 0 if "processed_events" in query else 1 if "dead_letter" in query else 2
        return self

    def fetchall(self) -> list[tuple[int]]:
        """The count."""
        return [(self.now[self.place],)]


def test_what_is_dead_or_filtered_has_arrived(tmp_path: Path) -> None:
    """Nobody waits for rows that never come; what there was before does not count."""
    database = Database((5, 3, 1), (6, 3, 1), (7, 4, 1), (7, 5, 2))
    looking = Demo(load(DEFAULT, {"ETLD_CHARTS__DIR": str(tmp_path)}), database, list)  # type: ignore[arg-type]
    before = looking.arrivals()
    arrived = looking.await_sums(before, 5)
    assert (arrived.stored, arrived.dead, arrived.filtered) == (2, 2, 1)
    assert str(arrived) == "2 stored, 2 dead letters, 1 filtered"
    assert str(DemoCounts(600)) == "600 stored"
