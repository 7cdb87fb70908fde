"""`etld drain`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.control.client import ask
from etld.util.text import thousands


@click.command(cls=AuditedCommand, action="workers/drain")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def command(config_path: Path | None, timeout: float) -> int:
    """Refuse new events, and return when everything accepted before is processed.

    Afterwards: `etld stop`, or `etld resume ingest`. Interrupting this command ends the drain; ingest stays paused.
    """
    reply = ask(config_path, "drain", timeout=timeout + 10.0, within=timeout)
    totals = "  ".join(f"{name} {thousands(value)}" for name, value in reply["totals"].items())
    click.echo(f"drained; ingest is paused (`etld resume ingest` lets it go on)\n{totals}")
    return 0
