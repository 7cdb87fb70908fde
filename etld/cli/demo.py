"""`etld demo`: a first look, in any directory; `make run` does it once etld is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.control.client import ask
from etld.errors import EtldError, Unreachable
from etld.util import config_file
from etld.worker import KAFKA_USER

if TYPE_CHECKING:
    from etld.cli.target import Target


@click.command()
@click.option("--count", default=600, show_default=True, type=click.IntRange(1), help="Sample events to send.")
@click.pass_obj
def command(config_path: Path | None, count: int) -> None:
    """Start the daemon if need be, send sample events, and show what became of them.

    Where there is no configuration, the documented default is written first, as `etld config init` does.
    """
    from etld.cli.config import write_default
    from etld.cli.target import find
    from etld.embedded import fetch
    from etld.samples.demo import Demo
    from etld.supervisor.config_checks import load

    if config_file.find(config_path) is None:
        write_default(config_file.CANDIDATES[0])
        _say(f"Wrote {config_file.CANDIDATES[0]} and schemas/")
    config = load(config_path)
    fetch.fetch(config)
    if not _runs(config_path):
        _say("Starting etld")
        _etld(config_path, "start")
    target = find(config_path)
    with target.connect("demo") as conn:
        demo = Demo(config, conn, lambda: ask(config_path, "status")["workers"])
        before = demo.arrivals()
        _say(f"Sending {count} sample events to {target.addresses.http}/track")
        expected = _generate(config_path, count)
        count = expected["sent"] - expected["sampled"]
        sent = time.time()
        arrived = demo.await_sums(before, count)
        # Without a new row nothing is drawn.
        charts = demo.await_charts(sent, time.time()) if arrived.stored else []
        if arrived.stored < count:
            _say(f"Of {count:,} events: {arrived}")
        if arrived.dead:
            click.echo(f"  why: {_program()} dlq list")
        for column, rows in demo.rows().items():
            _say(f"Rows in processed_events by {column}")
            for name, number in [*rows, ("total", sum(number for _name, number in rows))]:
                click.echo(f"  {name:24} {number:>8,}")
    if charts:
        _say("Charts")
    for path in charts:
        click.echo(f"  {_near(path)}")
    _show(target)


def _show(target: Target) -> None:
    addresses = target.addresses
    _say("Addresses")
    if addresses.console:
        click.echo(f"  Console     {addresses.console}")
    click.echo(f"  HTTP        {addresses.http}/track")
    password = f" (user {KAFKA_USER}, password in {addresses.kafka_passfile})" if addresses.kafka_passfile else ""
    click.echo(f"  Kafka       {addresses.kafka}{password}")
    click.echo(f"  PostgreSQL  psql '{addresses.postgres}'")
    _say("etld goes on running")
    program = _program()
    click.echo(f"  look: {program} status")
    click.echo(f"  dashboards: {program} bi up")
    click.echo(f"  stop: {program} stop")


def _runs(config_path: Path | None) -> bool:
    """Does a daemon run? One that is stopping is awaited, and so is one that is starting."""
    from etld.samples.demo import wait

    try:
        state = ask(config_path, "status")["state"]
    except Unreachable:
        return False
    if state == "stopping":
        _etld(config_path, "stop")
        return False
    if state == "starting":
        wait(lambda: ask(config_path, "status")["state"] != "starting", "the daemon is ready", lambda: "starting")
    return True


def _generate(config_path: Path | None, count: int) -> dict[str, Any]:
    """Send sample events; what became of them as they were answered."""
    with tempfile.NamedTemporaryFile() as file:
        _etld(config_path, "generate", "--count", str(count), "--summary-file", file.name)
        summary: dict[str, Any] = json.load(file)
    return summary


def _etld(config_path: Path | None, *arguments: str) -> None:
    named = ["--config", str(config_path)] if config_path else []
    done = subprocess.run([_program(), *named, *arguments], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise EtldError(f"`etld {arguments[0]}` failed (exit code {done.returncode}); see above", code="ETLD-X009")


def _program() -> str:
    return str(_near(Path(sys.argv[0])))


def _near(path: Path) -> Path:
    """Relative to the working directory when it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _say(text: str) -> None:
    click.secho(f"\n{text}", bold=True)
