"""`etld trace EVENT_ID`: one event's life."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.reconcile.trace import EventLife


@click.command()
@click.argument("event_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, event_id: str, as_json: bool) -> None:
    """Tell when an event was accepted, where it lies in Kafka, when it was stored or why it is dead."""
    from etld.cli.target import find
    from etld.events.ids import canonical
    from etld.reconcile.trace import trace

    try:
        event_id = canonical(event_id)
    except ValueError as error:
        raise UsageError(f"{event_id!r} is not an event id: expected a UUID") from error
    target = find(path)
    life = trace(lambda: target.connect("trace"), target.config, target.addresses, target.kafka_settings(), event_id)
    if as_json:
        click.echo(json.dumps(life.as_json(), default=str))
    else:
        _show(life)
    sys.exit(0 if life.known else 1)


def _show(life: EventLife) -> None:
    from etld.reconcile.timeline import steps

    click.echo(f"event {life.event_id}")
    for step in steps(life):
        click.echo(f"  {step.line()}")
