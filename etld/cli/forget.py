"""`etld forget`: erase a subject from every table."""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.cli import asking
from etld.cli.audited import AuditedCommand
from etld.errors import UsageError
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config import Config
    from etld.erasure.records import ErasureReceipt
    from etld.erasure.subject import Subject
    from etld.forget.run import SubjectCounts

_SHOWN = 20
# Days: so often files of the lake that no snapshot has are deleted.
_SWEPT_WITHIN = 1


def _told(params: Mapping[str, Any]) -> dict[str, Any]:
    """Fields, and never what is in them."""
    fields = tuple(condition.partition("=")[0] for condition in params["conditions"])
    return {**params, "conditions": None, "fields": fields}


@click.command(cls=AuditedCommand, action="events/forget", told=_told)
@click.argument("conditions", nargs=-1, metavar="[FIELD=VALUE]…")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A CSV file: its first line names fields, each other one is a subject.",
)
@click.option("--dry-run", is_flag=True, help="Say what there is, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt for programs.")
@click.option(
    "--patience", type=float, default=60.0, show_default=True, metavar="SECONDS", help="Give up when nothing goes on."
)
@click.pass_obj
def command(
    path: Path | None,
    *,
    conditions: tuple[str, ...],
    file: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    patience: float,
) -> None:
    """Erase a subject: etld forget user_id=7.

    FIELD is the path of a field, or its end where that is enough (user_details.mail, mail); several conditions have to
    be met together. The subject's events and dead letters go from every table, and every summary is restated. What was
    accepted until now is left out when it comes again, from a backup or by a replay; what the subject sends later is
    stored. The daemon has to run. An erasure that was broken off is finished by the same command.
    """
    from etld.cli.target import find, unreachable
    from etld.forget.run import Forget
    from etld.postgres.errors import OperationalError

    target = find(path)
    subjects = _subjects(target.config, conditions, file)

    def tell(text: str) -> None:
        click.echo(text, err=True)

    try:
        forget = Forget(target.config, target.addresses, target.kafka_settings(), tell, patience)
        try:
            if dry_run or not yes:
                found = forget.look(subjects)
                if dry_run:
                    _show_found(found, len(subjects), as_json=as_json)
                    return
                _ask(found, len(subjects))
            receipts = forget.run(subjects, _who())
        finally:
            forget.close()
    except OperationalError as error:
        raise unreachable(error) from error
    lake_until = _lake_until(target.config)
    if as_json:
        until = None if lake_until is None else lake_until.isoformat()
        click.echo(json.dumps({"erasures": [one.as_json() for one in receipts], "lake_until": until}))
    else:
        _show(receipts)
        if lake_until is not None:
            click.echo(
                "the lake's workers take its rows out within minutes; older snapshots have them until about"
                f" {lake_until:%Y-%m-%d %H:%M} UTC"
            )


def _lake_until(config: Config) -> datetime | None:
    """Until when older snapshots of the lake have rows of who is forgotten now, and their files are there."""
    if not config.lake.enabled:
        return None
    return datetime.now(UTC) + timedelta(seconds=config.lake.keep_snapshots, days=_SWEPT_WITHIN)


def _who() -> str:
    return asking.console_user() or f"{asking.system_user()}@{socket.gethostname()}"


def _subjects(config: Config, conditions: Sequence[str], file: Path | None) -> list[Subject]:
    from etld.erasure.fields import KnownFields, subject

    if bool(conditions) == (file is not None):
        raise UsageError(
            "name a subject as in `etld forget user_id=7`, or a file of subjects by --file", code="ETLD-F003"
        )
    known = KnownFields(config.event_types)
    if file is None:
        return [subject([known.condition(one) for one in conditions])]
    found = known.read_file(file)
    if not found:
        raise UsageError(f"{file} names no subject", code="ETLD-F003")
    return found


def _ask(found: SubjectCounts, subjects: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask: --yes erases, --dry-run says what there is")
    click.echo(_sentence(found, subjects), err=True)
    click.confirm("Erase it for good?", abort=True, err=True)


def _show_found(found: SubjectCounts, subjects: int, *, as_json: bool) -> None:
    if as_json:
        counts = {"subjects": subjects, "events": found.events, "dead_letters": found.dead_letters}
        click.echo(json.dumps({"dry_run": True, **counts}))
    else:
        click.echo(_sentence(found, subjects))


def _sentence(found: SubjectCounts, subjects: int) -> str:
    whose = "" if subjects == 1 else f" of {thousands(subjects)} subjects"
    return f"there are {thousands(found.events)} events and {thousands(found.dead_letters)} dead letters{whose}"


def _show(receipts: Sequence[ErasureReceipt]) -> None:
    for one in receipts[:_SHOWN]:
        kept = "for ever" if one.kafka_until is None else f"until {one.kafka_until:%Y-%m-%d %H:%M} UTC"
        click.echo(
            f"erasure {one.id} by {', '.join(one.fields)}: {thousands(one.events)} events and"
            f" {thousands(one.dead_letters)} dead letters, accepted until {one.accepted_until:%Y-%m-%d %H:%M:%S} UTC;"
            f" Kafka keeps their records {kept}"
        )
    if len(receipts) > _SHOWN:
        events, letters = sum(one.events for one in receipts), sum(one.dead_letters for one in receipts)
        click.echo(f"… {len(receipts)} erasures: {thousands(events)} events, {thousands(letters)} dead letters")
