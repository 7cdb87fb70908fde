"""`etld health`."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path

import click

from etld.control.client import ask
from etld.errors import coded
from etld.logs import indented


@click.command()
@click.option("--live", "level", flag_value="live", help="Only: does the daemon answer?")
@click.option("--ready", "level", flag_value="ready", help="Only: are events accepted?")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(config_path: Path | None, level: str | None, as_json: bool) -> int:
    """Exit with 0 when all is well, 1 when something is not, 3 when the daemon does not answer."""
    reply = ask(config_path, "health", timeout=5.0)
    well = bool(reply[level or "healthy"])
    if as_json:
        click.echo(json.dumps({**reply, "ok": well}))
    elif well:
        click.echo(level or "healthy")
    else:
        click.echo(f"{reply['state']}: not {level or 'healthy'}")
        # A daemon of an earlier version tells no codes.
        for problem, code in zip_longest(reply["problems"], reply.get("explain", ()), fillvalue=""):
            click.echo(f"  {indented(coded(problem, code))}")
    return 0 if well else 1
