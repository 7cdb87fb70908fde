"""`etld cancel`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.control.client import ask


@click.command(cls=AuditedCommand, action="workers/cancel")
@click.pass_obj
def command(config_path: Path | None) -> int:
    """End the reload, restart, scaling or drain that is under way; returns when it has ended.

    It ends as if it had failed: what a reload did is taken back, or left for the next `etld reload` to do; a restart
    replaces no more workers; a scaling keeps the number that it was given; a drain leaves ingest paused.
    """
    click.echo(f"{ask(config_path, 'cancel', timeout=None)['cancelled']} was cancelled")
    return 0
