"""A backlog into the lake, against Polars writing the very same rows to Parquet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import polars as pl

from bench.environment import Environment
from bench.flow import Backlog
from bench.result import Result

GROUP = "etld-lake-purchase"
CHANGES = {"lake.enabled": True, "lake.workers": 1, "lake.commit_every": "2 s", "lake.commit_bytes": "16 MiB"}


class LakeBacklog(Backlog):
    """A topic whose records go to a lake below the state directory."""

    warehouse = Path()

    def empty(self, conn: Any) -> None:
        """Take the tables of the last run away."""
        conn.execute("TRUNCATE etld.iceberg_tables, etld.lake_table")

    def prepare(self, config: Path) -> None:
        """See `Backlog`."""
        self.warehouse = config.parent / "var" / "lake"


def lake(environment: Environment, name: str) -> Result:
    """One worker from its first commit to its last, against Polars."""
    backlog = LakeBacklog(environment, environment.events)
    result = Result(name, "events/s", [], [], "Polars write_parquet, zstd")
    costs, peaks = [], []
    for _ in range(environment.pairs):
        rate, cpu, peak = backlog.run(GROUP, **CHANGES)
        result.values.append(rate)
        costs.append(cpu)
        peaks.append(peak)
        result.reference.append(_polars(backlog.warehouse, environment.directory / "polars.parquet"))
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.peak_mb = max(peaks)
    return result


def _polars(warehouse: Path, out: Path) -> float:
    """Rows a second of the rows of a lake, from memory to one file."""
    frame = pl.read_parquet([str(path) for path in warehouse.rglob("*.parquet")])
    began = time.monotonic()
    frame.write_parquet(out, compression="zstd")
    return frame.height / (time.monotonic() - began)


BENCHES = {"lake-1": lake}
