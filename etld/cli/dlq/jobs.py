"""`etld dlq jobs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.dlq.options import open_service
from etld.cli.dlq.output import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TITLES = ("job", "state", "action", "done", "of", "asked at", "by", "letters, or error")


def _action(params: Mapping[str, Any]) -> str | None:
    return None if params["cancel"] is None else "dead-letters/cancel"


@click.command(cls=AuditedCommand, action=_action)
@click.option("--cancel", type=int, metavar="JOB", help="Do no more of this one; what is done stays done.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def command(path: Path | None, cancel: int | None, limit: int, as_json: bool) -> None:
    """Replays and discards of many letters, the last first: how far each is. A corrector does those that are left."""
    with open_service(path) as service:
        found = service.jobs(limit) if cancel is None else [service.cancel(cancel)]
    if as_json:
        for job in found:
            click.echo(json.dumps(job.as_json()))
        return
    if not found:
        click.echo("no jobs")
        return
    rows: list[tuple[object, ...]] = []
    for job in found:
        about = job.error or ", ".join(f"{key}={value}" for key, value in job.chosen.as_json().items())
        at = f"{job.asked_at:%m-%d %H:%M:%S}"
        rows.append((job.id, job.state, job.action, job.done, job.total, at, job.asked_by, about))
    print_table(_TITLES, rows)
