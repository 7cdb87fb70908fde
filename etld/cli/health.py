"""`etld health`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etld.control.client import ask
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
        for problem in reply["problems"]:
            click.echo(f"  {indented(problem)}")
    return 0 if well else 1
