"""`etld status`."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import click

from etld.cli import status_text
from etld.control.client import ask
from etld.errors import EtldError, Unreachable
from etld.util.text import one_line


@click.command()
@click.option("--cluster", is_flag=True, help="All hosts of the database instead of this daemon alone.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--watch", is_flag=True, help="Again and again, until interrupted.")
@click.option("--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds, with --watch.")
@click.pass_obj
def command(config_path: Path | None, cluster: bool, as_json: bool, watch: bool, interval: float) -> int:
    """Show workers, addresses, totals, and what is wrong."""
    text = partial(_hosts if cluster else _text, config_path, as_json)
    if not watch:
        click.echo(text())
        return 0
    screen = sys.stdout.isatty() and not as_json
    last = ""
    try:
        while True:
            try:
                shown = last = text()
            except Unreachable as away:  # it may come back: what it said last stays in sight
                shown = f"{last}\n\n! {away}".lstrip() if screen else ""
                if not screen:
                    click.echo(f"etld: {away.with_code()}", err=True)
            if screen:
                click.echo("\033[H\033[2J", nl=False)
            if shown:
                click.echo(shown)
            sys.stdout.flush()
            time.sleep(interval)
    except KeyboardInterrupt:
        return 0


def _text(config_path: Path | None, as_json: bool) -> str:
    reply = ask(config_path, "status")
    reply.pop("ok")
    return json.dumps(reply) if as_json else status_text.render(reply, color=sys.stdout.isatty())


def _hosts(config_path: Path | None, as_json: bool) -> str:
    from etld.cli.target import find
    from etld.postgres import hosts
    from etld.postgres.errors import DatabaseError

    with find(config_path).connect("status") as conn:
        try:
            found = hosts.read(conn)
        except DatabaseError as error:
            raise EtldError(f"the database does not tell of its hosts: {one_line(error)}", code="ETLD-P001") from error
    if as_json:
        return json.dumps({"hosts": [one.as_json() for one in found]})
    return status_text.render_hosts(found, color=sys.stdout.isatty())
