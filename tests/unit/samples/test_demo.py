"""The demo's look at what became of its events."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from etld.config import load
from etld.samples.demo import Demo

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
