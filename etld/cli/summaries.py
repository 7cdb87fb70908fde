"""`etld summaries`: rebuild."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.errors import EtldError, UsageError
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def command() -> None:
    """Fill summaries anew."""


@command.command(cls=AuditedCommand, action="summaries/rebuild")
@click.argument("name")
@click.option(
    "--wait", "patience", type=float, default=0.0, metavar="SECONDS", help="Wait that long until it is filled."
)
@click.pass_obj
def rebuild(path: Path | None, name: str, patience: float) -> None:
    """Empty the table etld.summary_NAME, for the aggregator to fill it anew from processed_events.

    The stream goes on meanwhile, and the table keeps its grants, comments, indexes and views.
    """
    from etld.cli.target import find
    from etld.config.names import AGGREGATOR
    from etld.kafka.admin import Admin
    from etld.summaries import definition, tables
    from etld.summaries.backfill import CountedStream

    target = find(path)
    config = target.config
    if name not in config.summaries:
        raise UsageError(f"there is no summary {name!r}{did_you_mean(name, config.summaries)}", code="ETLD-X002")
    topics = {kind.topic: event_type for event_type, kind in config.event_types.items()}
    stream = CountedStream(Admin(target.kafka_settings()).cluster_id(), AGGREGATOR, topics)
    summary = next(one for one in definition.read(config.summaries, config.event_types) if one.name == name)
    with target.connect("summaries rebuild") as conn:
        tables.rebuild(conn, stream, summary)
        click.echo(f"summary {name} is empty; the aggregator fills it from processed_events")
        deadline = time.monotonic() + patience
        while patience and name in tables.waiting(conn):
            if time.monotonic() >= deadline:
                raise EtldError(
                    f"summary {name} is not filled after {patience:g} s: does the aggregator run?", code="ETLD-M002"
                )
            time.sleep(0.2)
    if patience:
        click.echo(f"summary {name} is filled")
