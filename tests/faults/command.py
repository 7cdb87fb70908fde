"""The command line of a suite of faults: all of them, or the ones named with --only."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from etld.config import load
from etld.embedded import choice
from faults import report
from faults.run import Options
from faults.runner import Row, Runner
from faults.scenarios import Fault
from faults.system import System

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Suite:
    """`make NAME`: what it does, its faults, and the system of those that bring none. Results go to var/NAME."""

    name: str
    about: str
    faults: Mapping[str, Fault]
    make: Callable[[], System]

    @property
    def out(self) -> Path:
        """Where its results and the logs of bad rows are."""
        return ROOT / "var" / self.name


def main(suite: Suite) -> int:
    """Run what the command line asks for; the exit code is 1 when a fault is bad."""
    faults = suite.faults
    about = {one.name: one.about for one in faults.values()}
    given = _arguments(suite)
    if given.list:
        print("\n".join(f"{one.name:{26}} {one.about}" for one in faults.values()))
        return 0
    if given.markdown:
        print((suite.out / "latest.md").read_text(), end="")
        return 0
    lacks = choice.missing(choice.cache_dir(load(ROOT / "config" / "etld.toml")))
    if lacks:
        print(f"{suite.name} needs Apache Kafka, and {lacks} was not found", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.randrange(2**31) if given.seed is None else given.seed
    options = Options(
        seed=seed,
        kills=given.kills,
        outage=given.outage,
        rate=given.rate,
        minutes=given.minutes,
        batch=given.batch,
        days=given.days,
    )
    chosen = [faults[name] for name in given.only] if given.only else list(faults.values())
    print(f"seed {seed}\n{report.heading()}", flush=True)
    rows: list[Row] = []

    def told(row: Row) -> None:
        rows.append(row)
        print(report.line(row), flush=True)
        report.write(suite.out / "latest.json", rows, about)

    Runner(options, suite.out / "logs", suite.make).run_all(chosen, told)
    print(report.total(rows))
    return 0 if all(row.ok for row in rows) else 1


def _arguments(suite: Suite) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"make {suite.name}", description=suite.about)
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--markdown", action="store_true", help="print the last run as docs/faults.md shows it")
    parser.add_argument(
        "--only", action="append", choices=sorted(suite.faults), metavar="NAME", help="this fault; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="repeat a run's choices; the default is a new one")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long random-kills goes on (1)")
    parser.add_argument("--kills", type=int, default=5, help="blows of each fault that is a blow (5)")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds of each fault that lasts (20)")
    parser.add_argument("--rate", type=float, default=300.0, help="events a second (300)")
    parser.add_argument("--batch", type=int, default=1, help="events in one request (1)")
    parser.add_argument("--days", type=int, default=40, help="how many go by in forty-days (40)")
    return parser.parse_args()
