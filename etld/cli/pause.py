"""`etld pause`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.control.client import ask


@click.command()
@click.argument("target", metavar="WORKER")
@click.pass_obj
def command(config_path: Path | None, target: str) -> int:
    """Let workers stand still: a kind, a name, or a prefix such as processor-purchase.

    A paused consumer keeps its partitions; a paused ingest answers 503.
    """
    for name in ask(config_path, "pause", target=target)["workers"]:
        click.echo(f"{name} is paused")
    return 0
