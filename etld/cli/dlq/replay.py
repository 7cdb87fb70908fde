"""`etld dlq replay`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.dlq.options import chosen, filters, open_service
from etld.cli.dlq.output import agreed, bulk, letters, print_changes, progress
from etld.errors import EtldError, UsageError
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etld.deadletters.by_hand import Draft
    from etld.deadletters.letter_filter import LetterFilter
    from etld.deadletters.service import DeadLetterService

    Assignments = list[tuple[tuple[str, ...], Any]]

# So many reasons are told one by one.
_TOLD = 20
_INTERRUPTED = 130


def _told(params: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are set, and never to what."""
    return {**params, "sets": tuple(one.partition("=")[0] for one in params["sets"])}


@click.command(cls=AuditedCommand, action="dead-letters/replay", told=_told)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filters
@click.option(
    "--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a field first; VALUE is JSON, else text."
)
@click.option("--edit", is_flag=True, help="Change the event in $EDITOR first; one ID.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(
    path: Path | None,
    /,
    ids: tuple[str, ...],
    sets: tuple[str, ...],
    edit: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Take letters up again: parked ones by filter, or those with the IDs (parked, discarded or resent).

    The corrector tries its rules of now on them, with a new count of attempts. With --set or --edit the
    changed event is validated here and sent as it is. An event_id is stored once, however often it is
    replayed.
    """
    from etld.deadletters.service import REPLAY, bulk_filter, letter_names

    if not ids and not any(options.values()):
        raise UsageError("expected IDs or a filter, such as --state parked")
    wanted = bulk_filter(REPLAY, chosen(**options), named=bool(ids))
    if edit and (len(ids) != 1 or sets):
        raise UsageError("--edit takes exactly one ID, and no --set")
    names = letter_names(ids)
    fields = [_assignment(text) for text in sets]
    by_hand = edit or bool(sets)
    with open_service(path, with_rules=by_hand) as service:
        wanted = service.identified(wanted, names, REPLAY)
        if by_hand:
            sys.exit(_by_hand(service, wanted, fields, yes=yes, as_json=as_json))
        sys.exit(bulk(service, REPLAY, wanted, yes=yes, as_json=as_json))


def _assignment(text: str) -> tuple[tuple[str, ...], Any]:
    from etld.deadletters.rules import paths

    name, equals, value = text.partition("=")
    try:
        path = paths.parse(name.strip())
    except ValueError as error:
        raise UsageError(f"--set {text!r}: {error}") from None
    if not equals or not path:
        raise UsageError(f"--set {text!r}: expected PATH=VALUE, such as event_details.price=12.5")
    if path == ("event_id",):
        raise UsageError("--set event_id: an event keeps its event_id")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value


def _by_hand(service: DeadLetterService, wanted: LetterFilter, fields: Assignments, *, yes: bool, as_json: bool) -> int:
    """Change and hand over each letter; those that stay invalid are left as they are. The exit code."""
    from etld.deadletters.by_hand import NotReplayed

    total = service.count(wanted)
    told = _Told(as_json)
    if not total:
        return told.end(total)
    if total > 1 and not yes and not agreed(f"change and replay {letters(total)}?"):
        return 1
    try:
        with progress(total, "replay", hidden=total == 1 or not sys.stderr.isatty()) as bar:
            for row in service.listed(wanted):
                try:
                    _one(service, row.id, fields, tell=total == 1)
                    told.done += 1
                except NotReplayed as why:
                    told.not_replayed(row.id, why.problems)
                bar.update(1)
    except KeyboardInterrupt:
        told.interrupted = True
    return told.end(total)


class _Told:
    """Counts what became of letters, and says it when all are through: not between the lines of a progress bar."""

    def __init__(self, as_json: bool) -> None:
        self.interrupted = False
        self.done = 0
        self._as_json = as_json
        self._invalid = 0
        self._lines: list[str] = []

    def not_replayed(self, letter_id: str, problems: tuple[str, ...]) -> None:
        self._invalid += 1
        if len(self._lines) < _TOLD:
            self._lines.append(f"{letter_id}: not replayed: {'; '.join(problems)}")

    def end(self, total: int) -> int:
        for line in self._lines:
            click.echo(line, err=True)
        if self._invalid > len(self._lines):
            click.echo(f"… and {thousands(self._invalid - len(self._lines))} more not replayed", err=True)
        said = f"replayed {thousands(self.done)} of {thousands(total)}" + (
            f", {thousands(self._invalid)} invalid" if self._invalid else ""
        )
        if self._as_json:
            counted = {"replayed": self.done, "invalid": self._invalid, "interrupted": self.interrupted}
            click.echo(json.dumps(counted))
        elif self.interrupted:
            click.echo(f"interrupted: {said}; the same command goes on with the rest", err=True)
        elif not total:
            click.echo("no dead letter to replay")
        else:
            click.echo(said if self._invalid else f"replayed {letters(self.done)}")
        return _INTERRUPTED if self.interrupted else int(bool(self._invalid))


def _one(service: DeadLetterService, letter_id: str, fields: Assignments, *, tell: bool) -> None:
    """Change and hand over one letter, by `fields` or in the editor; raises `NotReplayed`."""
    from etld.deadletters.by_hand import NotReplayed
    from etld.deadletters.changes import changes

    draft = service.draft(letter_id)
    if not fields:
        event = _edited(service, draft)
    elif draft.before is None:
        raise NotReplayed(f"{draft.undecodable}; use --edit to write the event anew")
    else:
        event = service.with_fields(draft, fields)
    problems = service.problems(draft, event)
    if problems:
        raise NotReplayed(*problems)
    if tell:
        print_changes(changes(draft.before, event), "    ", err=True)
    service.replay_by_hand(draft, event)


def _written(event: dict[str, Any]) -> str:
    """An event for the editor: as it reads, unless it holds half a character, which no file can."""
    text = json.dumps(event, indent=2, ensure_ascii=False, default=str) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(event, indent=2, default=str) + "\n"
    return text


def _edited(service: DeadLetterService, draft: Draft) -> dict[str, Any]:
    """What the user made of the event in the editor; asked again until it is valid or given up."""
    text = _written(draft.event)
    while True:
        written = click.edit(text, extension=".json")
        if written is None:
            raise EtldError("nothing was changed, so nothing is replayed", code="ETLD-D018")
        text = written
        try:
            event = json.loads(written)
            problems = service.problems(draft, event)
        except ValueError as error:
            problems = (f"not JSON: {error}",)
        if not problems:
            edited: dict[str, Any] = event
            return edited
        for line in problems:
            click.echo(line, err=True)
        if not sys.stdin.isatty() or not click.confirm("edit again?", default=True):
            raise EtldError("the edited event is not valid, so nothing is replayed", code="ETLD-D018")
