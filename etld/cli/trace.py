"""`etld trace EVENT_ID`: one event's life."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

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
    row = life.stored
    click.echo(f"event {life.event_id}")
    if life.accepted:
        click.echo(f"  accepted  {life.accepted}")
    for letter in life.dead_letters:
        _show_letter(letter, life.queue)
    for letter in life.outbox:
        click.echo(f"  dead      {_dead(letter)}")
        click.echo(f"  letter    {letter['id']} waits in etld.dlq_outbox to be sent to {life.queue}")
    if row is not None:
        if life.resent:
            click.echo(f"  resent    {life.resent}")
        click.echo(f"  in Kafka  {row.get('topic', '?')}:{row['kafka_partition']} offset {row['kafka_offset']}")
        click.echo(f"  stored    {row['processed_at']} as {row['event_type']} {row['event_name']}")
    if life.elsewhere is not None:
        record = life.elsewhere.record
        if record is not None:
            click.echo(f"  in Kafka  {record.partition} offset {record.offset}")
        named = f"{life.elsewhere.name:<8}  " if life.known else ""
        click.echo(f"  {named}{life.elsewhere.text}")


def _show_letter(letter: dict[str, Any], queue: str) -> None:
    click.echo(f"  dead      {_dead(letter)}")
    if letter["queue_off"] is not None:
        click.echo(f"  in Kafka  {queue}:{letter['queue_part']} offset {letter['queue_off']}")
    for attempt in letter["tries"]:
        tail = f": {attempt['error']}" if attempt["error"] else ""
        click.echo(
            f"  attempt {attempt['attempt']} {attempt['at']} rule {attempt['rule'] or '-'} → {attempt['outcome']}{tail}"
        )
    reason = f" ({letter['reason']})" if letter["reason"] else ""
    click.echo(f"  letter    {letter['id']} is {letter['state']}{reason}")


def _dead(letter: dict[str, Any]) -> str:
    where = "" if letter["off"] is None else f" at {letter['topic']}:{letter['part']} offset {letter['off']}"
    return f"{letter['created_at']}{where}: {letter['error_class']}: {letter['error']}"
