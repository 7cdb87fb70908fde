"""`etld trace EVENT_ID`: one event's life."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("event_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, event_id: str, as_json: bool) -> None:
    """Tell when an event was accepted, where it lies in Kafka, when it was stored or why it is dead."""
    from etld.cli.target import find
    from etld.events.ids import canonical

    try:
        event_id = canonical(event_id)
    except ValueError as error:
        raise UsageError(f"{event_id!r} is not an event id: expected a UUID") from error
    found = _life(find(path), event_id)
    if as_json:
        click.echo(json.dumps(found, default=str))
    else:
        _tell(found)
    sys.exit(0 if found["stored"] or found["dead_letters"] else 1)


def _life(target: Any, event_id: str) -> dict[str, Any]:
    from etld.kafka.errors import KafkaProblem
    from etld.kafka.reader import read_one
    from etld.store import accounting, events

    with target.connect("trace") as conn:
        row = events.one(conn, event_id)
        letters = accounting.letters_of(conn, event_id)
    found: dict[str, Any] = {"event_id": event_id, "accepted": None, "stored": row, "dead_letters": letters}
    kinds = target.config.event_types
    if row is not None and row["event_type"] in kinds:
        topic = kinds[row["event_type"]].topic
        row["topic"] = topic
        try:
            record = read_one(target.kafka_settings(), topic, row["kafka_partition"], row["kafka_offset"])
        except KafkaProblem as error:
            found["kafka"] = str(error)
        else:
            found["kafka"] = "held" if record else "deleted by retention, or the topic was made anew"
            if record:
                found["accepted"] = datetime.fromtimestamp(record.timestamp, UTC).isoformat()
    return found


def _tell(found: dict[str, Any]) -> None:
    row, letters = found["stored"], found["dead_letters"]
    click.echo(f"event {found['event_id']}")
    if found["accepted"]:
        click.echo(f"  accepted  {found['accepted']}")
    for letter in letters:
        where = f" at {letter['topic']}:{letter['part']} offset {letter['off']}" if letter["off"] is not None else ""
        click.echo(f"  dead      {letter['created_at']}{where}: {letter['error_class']}: {letter['error']}")
        for one in letter["tries"]:
            tail = f": {one['error']}" if one["error"] else ""
            click.echo(f"  attempt {one['attempt']} {one['at']} rule {one['rule'] or '-'} → {one['outcome']}{tail}")
        reason = f" ({letter['reason']})" if letter["reason"] else ""
        click.echo(f"  letter    {letter['id']} is {letter['state']}{reason}")
    if row is not None:
        click.echo(f"  in Kafka  {row.get('topic', '?')}:{row['kafka_partition']} offset {row['kafka_offset']}")
        click.echo(f"  stored    {row['processed_at']} as {row['event_type']} {row['event_name']}")
    if row is None and not letters:
        click.echo("  neither stored nor a dead letter: never accepted, or still in flight (see `etld status`)")
