"""`etld status`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from etld.control import show
from etld.control.client import ask


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--watch", is_flag=True, help="Again and again, until interrupted.")
@click.option("--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds, with --watch.")
@click.pass_obj
def command(config_path: Path | None, as_json: bool, watch: bool, interval: float) -> int:
    """Show workers, addresses, totals, and what is wrong."""
    try:
        while True:
            reply = ask(config_path, "status")
            reply.pop("ok")
            if as_json:
                text = json.dumps(reply)
            else:
                text = show.status(reply, color=sys.stdout.isatty())
            if watch and not as_json and sys.stdout.isatty():
                click.echo("\033[H\033[2J", nl=False)
            click.echo(text)
            if not watch:
                return 0
            time.sleep(interval)
    except KeyboardInterrupt:
        return 0
