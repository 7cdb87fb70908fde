"""A benchmark runs, and says what it measured against what; `make bench` runs all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import flow
from bench.environment import Environment
from bench.result import Result, as_json, chart, table
from support.cluster import Cluster

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def environment(cluster: Cluster, kafka: str) -> Environment:
    """Few events, one pair, on the servers of all tests."""
    return Environment(cluster, events=5_000, pairs=1, quick=True)


def test_a_backlog_is_measured_beside_copy(environment: Environment, tmp_path: Path) -> None:
    """Rates, their ratio, the processor's cost; as a table, a chart and JSON."""
    result = flow.BENCHES["processor-1"](environment, "processor-1")
    assert isinstance(result, Result)
    document = json.loads(json.dumps(as_json(result)))
    assert (document["name"], document["unit"]) == ("processor-1", "events/s")
    assert 0 < document["value"]["min"] <= document["value"]["median"] <= document["value"]["max"]
    assert 0 < document["ratio"]["median"] < 10
    assert document["peak_mb"] > 10
    assert "processor-1" in table([result])
    chart([result], tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
