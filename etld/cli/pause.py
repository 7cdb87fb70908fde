"""`etld pause`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.control.client import ask


@click.command(cls=AuditedCommand, action="workers/pause")
@click.argument("target", metavar="WORKER")
@click.pass_obj
def command(config_path: Path | None, target: str) -> int:
    """Let workers stand still: a kind, a name, or a prefix such as processor-purchase.

    A paused consumer has stored what it had in hand, and keeps its partitions; a paused ingest answers 503.
    """
    answer = ask(config_path, "pause", target=target)
    for name in answer["workers"]:
        if name in answer["waiting"]:
            click.echo(f"{name} has not come to rest yet, and pauses as soon as it has (see `etld status`)")
        else:
            click.echo(f"{name} is paused")
    return 1 if answer["waiting"] else 0
