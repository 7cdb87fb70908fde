"""`make bench`: etld against the physical limit, measured in the same run.

Runs alternate (reference, etld, reference, …); every figure is a ratio of medians with its range.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import signal
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import (
    consoles,
    flow,
    forgetting,
    front,
    lake,
    life,
    pages,
    producing,
    replay,
    rows,
    settings,
    storage,
    views,
)
from bench.environment import Environment
from bench.result import Result, as_json, chart, table
from support.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
PARTS = (flow, front, life, producing, replay, rows, storage, forgetting, views, consoles, pages, settings, lake)
BENCHES: dict[str, Any] = {name: bench for part in PARTS for name, bench in part.BENCHES.items()}
VERSIONS = ("etld", "confluent-kafka", "polars", "psycopg", "aiohttp", "uvloop", "orjson", "fastavro", "pyiceberg")


def _write(out: Path, environment: Environment, results: list[Result]) -> None:
    document = {
        "machine": {
            "cores": environment.cores,
            "memory_gb": environment.memory_gb,
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
        },
        "versions": {name: metadata.version(name) for name in VERSIONS},
        "results": [as_json(one) for one in results],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    chart(results, out.with_suffix(".png"))


def main() -> int:
    """Run what was asked for; 0 unless a benchmark could not be run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="one benchmark, or all that begin so; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="few events, one pair: does it run at all?")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of reference and etld (default 5)")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of a backlog (default 1,000,000)")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "latest.json", help="where the JSON goes")
    given = parser.parse_args()
    names = [n for n in BENCHES if not given.only or any(n == o or n.startswith(o) for o in given.only)]
    if not names:
        parser.error(f"no such benchmark; there are: {', '.join(BENCHES)}")
    events, pairs = (20_000, 1) if given.quick else (given.events, given.pairs)
    directory = Path(tempfile.mkdtemp(prefix="etld-bench-"))
    results: list[Result] = []
    failed = []
    began = time.monotonic()
    # Told to end, it ends as by Ctrl-C: daemons and servers are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = Cluster(directory)
    try:
        environment = Environment(cluster, events=events, pairs=pairs, quick=given.quick)
        for name in names:
            print(f"… {name} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
            try:
                found = BENCHES[name](environment, name)
                results += found if isinstance(found, list) else [found]
            except Exception as error:  # one that cannot run must not hide the others
                failed.append(name)
                print(f"{name} could not be measured: {error!r}", file=sys.stderr)
            # A run takes the better part of an hour: one that is broken off leaves what it measured.
            _write(given.out, environment, results)
    finally:
        cluster.close()
        shutil.rmtree(directory, ignore_errors=True)
    print(table(results))
    print(f"\n{environment.cores} cores, {environment.memory_gb} GB; JSON and chart: {given.out.parent}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
