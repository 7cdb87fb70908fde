"""`make faults`: every fault, or the ones named with --only."""

from __future__ import annotations

import sys

from faults.command import Suite, main
from faults.scenarios import load_all
<<<<<<< HEAD

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "var" / "faults"


def main() -> int:
    faults = load_all()
    about = {one.name: one.about for one in faults.values()}
    given = _arguments(sorted(faults))
    if given.list:
        print("\n".join(f"{one.name:{26}} {one.about}" for one in faults.values()))
        return 0
    if given.markdown:
        print((OUT / "latest.md").read_text(), end="")
        return 0
    lacks = choice.missing(choice.cache_dir(load(ROOT / "config" / "etld.toml")))
    if lacks:
        print(f"the fault suite needs Apache Kafka, and {lacks} was not found", file=sys.stderr)
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
        report.write(OUT / "latest.json", rows, about)

    Runner(options, OUT / "logs").run_all(chosen, told)
    print(report.total(rows))
    return 0 if all(row.ok for row in rows) else 1


def _arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description="Hurt a real etld and count every event.")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--markdown", action="store_true", help="print the last run as docs/faults.md shows it")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="this fault; may be repeated")
    parser.add_argument("--seed", type=int, help="repeat a run's choices; the default is a new one")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long random-kills goes on (1)")
    parser.add_argument("--kills", type=int, default=5, help="blows of each fault that is a blow (5)")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds of each fault that lasts (20)")
    parser.add_argument("--rate", type=float, default=300.0, help="events a second (300)")
    parser.add_argument("--batch", type=int, default=1, help="events in one request (1)")
    parser.add_argument("--days", type=int, default=40, help="how many go by in forty-days (40)")
    return parser.parse_args()

=======
from faults.system import System
>>>>>>> 6b630428 (A cluster to hurt: hosts, brokers and databases on a network of their own)

if __name__ == "__main__":
    sys.exit(main(Suite("faults", "Hurt a real etld and count every event.", load_all(), System)))
