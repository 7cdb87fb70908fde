"""`etld resume`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from etld.cli.audited import AuditedCommand
from etld.control.client import ask
from etld.errors import UsageError


def _action(params: Mapping[str, Any]) -> str:
    return "workers/resume" if params["partitions"] is None else "topics/resume"


@click.command(cls=AuditedCommand, action=_action)
@click.argument("target", metavar="WORKER")
@click.argument("partitions", metavar="[TOPIC[:PARTITION]]", required=False)
@click.option("--from", "start", type=click.Choice(["low"]), help="Give up what a partition has lost.")
@click.pass_obj
def command(config_path: Path | None, target: str, partitions: str | None, start: str | None) -> int:
    """Let paused workers go on: a kind, a name, or a prefix.

    `etld resume processor --from low TOPIC[:PARTITION]` lets partitions go on that stopped because
    their topic was made anew or retention overran them: from the lowest offset that is left. The
    range given up is recorded, and `etld reconcile` tells it.
    """
    if (start is None) != (partitions is None):
        raise UsageError("--from low and TOPIC[:PARTITION] belong together")
    if partitions is not None:
        _give_up(config_path, partitions)
    for name in ask(config_path, "resume", target=target)["workers"]:
        click.echo(f"{name} goes on")
    return 0


def _give_up(config_path: Path | None, where: str) -> None:
    from etld.cli.target import find
    from etld.reconcile.resume_from_low import resume_from_low

    there = find(config_path)
    with there.connect("resume") as conn:
        for done in resume_from_low(conn, there.kafka_settings(), where):
            where_from = f"goes on from offset {done.low}; {done.lost} offsets given up"
            if done.low is None:
                where_from = "is no more: the topic has fewer partitions now"
            click.echo(f"{done.partition} of {done.group} {where_from}")
