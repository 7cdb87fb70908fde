"""`etld demo`, hidden: what `make run` does once etld is installed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.errors import EtldError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.cli.target import Target
    from etld.config import Config

_PATIENCE = 60.0


@click.command(hidden=True)
@click.option("--count", default=600, show_default=True, type=click.IntRange(1), help="Sample events to send.")
@click.pass_obj
def command(config_path: Path | None, count: int) -> None:
    """Start the daemon if need be, send sample events, and show what became of them."""
    from etld.cli.target import find
    from etld.embedded import fetch
    from etld.supervisor.config_checks import load

    config = load(config_path)
    fetch.fetch(config)
    if not _runs(config_path):
        _say("Starting etld")
        _etld(config_path, "start")
    target = find(config_path)
    with target.connect("demo") as conn:

        def stored() -> int:
            return int(conn.execute("SELECT count(*) FROM processed_events").fetchall()[0][0])

        before = stored()
        _say(f"Sending {count} sample events to {target.addresses.http}/track")
        _etld(config_path, "generate", "--count", str(count))
        sent = time.time()
        _wait(lambda: stored() >= before + count, "the events are stored", lambda: f"{stored() - before} of {count}")
        _wait(lambda: _lag(config_path) == 0, "the events are summed up", lambda: f"lag {_lag(config_path)}")
        charts = _charts(config, sent, time.time())
        for column in ("event_type", "event_name"):
            _say(f"Rows in processed_events by {column}")
            rows = conn.execute(f"SELECT {column}, count(*) FROM processed_events GROUP BY 1 ORDER BY 1").fetchall()
            for name, rows_of in [*rows, ("total", sum(row[1] for row in rows))]:
                click.echo(f"  {name:24} {rows_of:>8,}")
    _say("Charts")
    for path in charts:
        click.echo(f"  {path}")
    _show(target)


def _show(target: Target) -> None:
    addresses = target.addresses
    _say("Addresses")
    click.echo(f"  HTTP        {addresses.http}/track")
    click.echo(f"  Kafka       {addresses.kafka}")
    click.echo(f"  PostgreSQL  psql '{addresses.postgres}'")
    _say("etld goes on running")
    program = _program()
    click.echo(f"  look: {program} status")
    click.echo(f"  stop: make stop  (or {program} stop)")


def _charts(config: Config, sent: float, summed: float) -> list[Path]:
    """The newest picture of each chart, once drawn from all that was sent.

    Idle drawing comes after the sums are complete; a drawing that was due for another reason may
    have come between the last event and our look at the sums, and then no other follows.
    """
    names = [summary.chart.name for summary in config.summaries.values() if summary.chart]
    latest = [config.charts.dir / f"{name}_latest.png" for name in names]
    settled = summed + config.charts.idle + 5.0

    def drawn() -> bool:
        times = [path.stat().st_mtime if path.exists() else 0.0 for path in latest]
        return all(when > (sent if time.time() > settled else summed) for when in times)

    _wait(drawn, "the charts are drawn", lambda: str(config.charts.dir))
    dated = [max(config.charts.dir.glob(f"{name}_[0-9]*_[0-9]*.png")) for name in names]
    return [_near(path) for path in dated]


def _lag(config_path: Path | None) -> int:
    """Events that the aggregator has not summed up yet; 1 when it does not say."""
    from etld.control.client import ask

    workers: list[dict[str, Any]] = ask(config_path, "status")["workers"]
    lags = [worker["lag"] for worker in workers if worker["kind"] == "aggregator"]
    return sum(1 if lag is None else int(lag) for lag in lags)


def _runs(config_path: Path | None) -> bool:
    from etld.control.client import ask

    try:
        state = ask(config_path, "status")["state"]
    except Unreachable:
        return False
    if state == "stopping":
        _etld(config_path, "stop")
        return False
    if state == "starting":
        _wait(lambda: ask(config_path, "status")["state"] != "starting", "the daemon is ready", lambda: "starting")
    return True


def _etld(config_path: Path | None, *arguments: str) -> None:
    named = ["--config", str(config_path)] if config_path else []
    done = subprocess.run([_program(), *named, *arguments], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise EtldError(f"`etld {arguments[0]}` failed (exit code {done.returncode}); see above")


def _program() -> str:
    return str(_near(Path(sys.argv[0])))


def _near(path: Path) -> Path:
    """Relative to the working directory when it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _wait(cond: Callable[[], bool], what: str, state: Callable[[], str]) -> None:
    until = time.monotonic() + _PATIENCE
    while not cond():
        if time.monotonic() > until:
            raise EtldError(f"after {_PATIENCE:.0f} s still waiting until {what} ({state()}); see `etld status`")
        time.sleep(0.1)


def _say(text: str) -> None:
    click.secho(f"\n{text}", bold=True)
