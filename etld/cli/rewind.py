"""`etld rewind`: processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.cli.moment import moment
from etld.errors import UsageError
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def command() -> None:
    """Have records read again."""


@command.command(cls=AuditedCommand, action="topics/rewind")
@click.argument("event_type", metavar="TYPE")
@click.option("--to", "to", metavar="TIME|earliest", required=True, help="Such as 2026-07-01T12:00Z; else it is UTC.")
@click.pass_obj
def processor(config_path: Path | None, event_type: str, to: str) -> None:
    """Have the processor of an event type read again what it has passed, from a time on.

    What is stored already is found by its event_id and counts as duplicate; what is not, because a transform left it
    out, is stored. The processor need not be stopped. The aggregator does not read again: where rows come that were
    not there, `etld reconcile` names the summaries, and `etld summaries rebuild NAME` mends them.
    """
    from etld.cli.target import find
    from etld.reconcile.rewinding import rewind_processor

    since = moment("--to", to)
    there = find(config_path)
    if event_type not in there.config.event_types:
        known = there.config.event_types
        raise UsageError(f"there is no event type {event_type!r}{did_you_mean(event_type, known)}", code="ETLD-X002")
    with there.connect("rewind") as conn:
        done = rewind_processor(conn, there.kafka_settings(), there.config, event_type, since)
    for one in done:
        click.echo(f"{one.partition} is read again from offset {one.to} on ({one.was - one.to} offsets)")
    if not done:
        click.echo(f"nothing to read again: no record of {event_type} since then was read yet")
