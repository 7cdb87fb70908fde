"""`etld trace EVENT_ID`: one event's life."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from etld.kafka.reader import Record


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
    sys.exit(0 if found["stored"] or found["dead_letters"] or found["outbox"] else 1)


def _life(target: Any, event_id: str) -> dict[str, Any]:
    from etld.deadletters.letter_headers import REPAIR_OF
    from etld.reconcile import accounting
    from etld.sinks.postgres import event_rows

    with target.connect("trace") as conn:
        row = event_rows.one(conn, event_id)
        letters = accounting.letters_of(conn, event_id)
        waiting = accounting.outbox_of(conn, event_id)
    found: dict[str, Any] = {
        "event_id": event_id,
        "accepted": None,
        "resent": None,
        "stored": row,
        "dead_letters": letters,
        "outbox": waiting,
    }
    accepted = [_accepted(target, letter) for letter in (letters or waiting)[:1]]
    kinds = target.config.event_types
    if row is not None and row["event_type"] in kinds:
        row["topic"] = kinds[row["event_type"]].topic
        found["kafka"], record = _read(target, row["topic"], row["kafka_partition"], row["kafka_offset"])
        if record is not None and REPAIR_OF in record.headers:
            found["resent"] = _iso(record.timestamp)
        elif record is not None:
            accepted.append(record.timestamp)
    found["accepted"] = _iso(min((moment for moment in accepted if moment), default=None))
    return found


def _accepted(target: Any, letter: dict[str, Any]) -> datetime | None:
    """A processor's letter names the record that it read; ingest's is itself what was accepted."""
    if letter["topic"] is None or letter["off"] is None:
        queued: datetime | None = letter.get("queued_at")
        return queued
    _, record = _read(target, letter["topic"], letter["part"], letter["off"])
    return None if record is None else record.timestamp


def _read(target: Any, topic: str, part: int, off: int) -> tuple[str, Record | None]:
    """What to say of a record, and the record, if Kafka still has it."""
    from etld.kafka.errors import KafkaProblem
    from etld.kafka.reader import read_one

    try:
        record = read_one(target.kafka_settings(), topic, part, off)
    except KafkaProblem as error:
        return str(error), None
    return "held" if record else "deleted by retention, or the topic was made anew", record


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(sep=" ") if moment else None


def _tell(found: dict[str, Any]) -> None:
    row, letters, waiting = found["stored"], found["dead_letters"], found["outbox"]
    click.echo(f"event {found['event_id']}")
    if found["accepted"]:
        click.echo(f"  accepted  {found['accepted']}")
    for letter in letters:
        _tell_letter(letter)
    for letter in waiting:
        click.echo(f"  dead      {letter['created_at']}{_at(letter)}: {letter['error_class']}: {letter['error']}")
        click.echo(f"  letter    {letter['id']} waits in etld.dlq_outbox to be sent to dead_letter_queue")
    if row is not None:
        if found["resent"]:
            click.echo(f"  resent    {found['resent']}")
        click.echo(f"  in Kafka  {row.get('topic', '?')}:{row['kafka_partition']} offset {row['kafka_offset']}")
        click.echo(f"  stored    {row['processed_at']} as {row['event_type']} {row['event_name']}")
    if row is None and not letters and not waiting:
        click.echo(
            "  neither stored nor a dead letter: never accepted, or not read yet from its topic or from"
            " dead_letter_queue (see `etld status`)"
        )


def _tell_letter(letter: dict[str, Any]) -> None:
    click.echo(f"  dead      {letter['created_at']}{_at(letter)}: {letter['error_class']}: {letter['error']}")
    if letter["queue_off"] is not None:
        click.echo(f"  in Kafka  dead_letter_queue:{letter['queue_part']} offset {letter['queue_off']}")
    for one in letter["tries"]:
        tail = f": {one['error']}" if one["error"] else ""
        click.echo(f"  attempt {one['attempt']} {one['at']} rule {one['rule'] or '-'} → {one['outcome']}{tail}")
    reason = f" ({letter['reason']})" if letter["reason"] else ""
    click.echo(f"  letter    {letter['id']} is {letter['state']}{reason}")


def _at(letter: dict[str, Any]) -> str:
    return "" if letter["off"] is None else f" at {letter['topic']}:{letter['part']} offset {letter['off']}"
