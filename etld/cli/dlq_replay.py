"""`etld dlq replay`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq_common import (
    agreed,
    bulk,
    chosen,
    differences,
    filters,
    identified,
    letters,
    names,
    workbench,
)
from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.deadletters.queries import Filter
    from etld.deadletters.repository import Waiting

_REPLAYABLE = ("parked", "discarded", "resent")
# So many reasons are told one by one.
_TOLD = 20


@click.command()
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
    from etld.cli.target import find
    from etld.deadletters import queries

    if not ids and not any(options.values()):
        raise UsageError("expected IDs or a filter, such as --state parked")
    wrong = [state for state in options["states"] if state not in _REPLAYABLE]
    if wrong:
        raise UsageError(f"a letter that is {wrong[0]} cannot be replayed; expected {', '.join(_REPLAYABLE)}")
    if edit and (len(ids) != 1 or sets):
        raise UsageError("--edit takes exactly one ID, and no --set")
    states = options.pop("states") or (_REPLAYABLE if ids else ("parked",))
    wanted, given = chosen(states, **options), names(ids)
    target = find(path)
    with target.connect("dlq") as conn:
        wanted = identified(conn, wanted, given, "replayed")
        if edit or sets:
            sys.exit(_by_hand(target, conn, wanted, [_assignment(text) for text in sets], yes=yes, as_json=as_json))
        sys.exit(bulk(conn, wanted, "replay", "replayed", queries.replay, yes=yes, as_json=as_json))


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


def _by_hand(
    target: Any, conn: Any, wanted: Filter, sets: list[tuple[tuple[str, ...], Any]], *, yes: bool, as_json: bool
) -> int:
    """Change, validate and hand over each letter; those that stay invalid are left as they are."""
    from etld.deadletters import queries

    bench = workbench(target)
    total = queries.count(conn, wanted)
    told = _Told(as_json)
    if not total:
        return told.end(total)
    if total > 1 and not yes and not agreed(f"change and replay {letters(total)}?"):
        return 1
    try:
        hidden = total == 1 or not sys.stderr.isatty()
        with click.progressbar(length=total, label="replay", file=sys.stderr, hidden=hidden) as bar:
            for row in queries.pages(conn, wanted, None, None):
                told.add(row.id, _one(bench, conn, row.id, sets, tell=total == 1))
                bar.update(1)
    except KeyboardInterrupt:
        told.interrupted = True
    return told.end(total)


class _Told:
    """Counts what became of letters, and says it when all are through: not between the lines of a progress bar."""

    def __init__(self, as_json: bool) -> None:
        self.interrupted = False
        self._as_json = as_json
        self._done = self._invalid = 0
        self._lines: list[str] = []

    def add(self, letter_id: str, problems: tuple[str, ...]) -> None:
        self._invalid += bool(problems)
        self._done += not problems
        if problems and len(self._lines) < _TOLD:
            self._lines.append(f"{letter_id}: not replayed: {'; '.join(problems)}")

    def end(self, total: int) -> int:
        for line in self._lines:
            click.echo(line, err=True)
        if self._invalid > len(self._lines):
            click.echo(f"… and {self._invalid - len(self._lines):,} more not replayed", err=True)
        said = f"replayed {self._done:,} of {total:,}" + (f", {self._invalid:,} invalid" if self._invalid else "")
        if self._as_json:
            counted = {"replayed": self._done, "invalid": self._invalid, "interrupted": self.interrupted}
            click.echo(json.dumps(counted))
        elif self.interrupted:
            click.echo(f"interrupted: {said}; the same command goes on with the rest", err=True)
        elif not total:
            click.echo("no dead letter to replay")
        else:
            click.echo(said if self._invalid else f"replayed {letters(self._done)}")
        return 130 if self.interrupted else int(bool(self._invalid))


def _one(
    bench: Any, conn: Any, letter_id: str, sets: list[tuple[tuple[str, ...], Any]], *, tell: bool
) -> tuple[str, ...]:
    """Change and hand over one letter; why not, when it stays as it is."""
    from etld.deadletters import queries

    found = queries.waiting(conn, [letter_id])
    if not found:
        return ("it was deleted meanwhile",)
    try:
        return _change(bench, conn, found[0], sets, tell=tell)
    except RecursionError:
        return ("it is nested too deeply to be changed; only its sender can mend it",)


def _change(
    bench: Any, conn: Any, letter: Waiting, sets: list[tuple[tuple[str, ...], Any]], *, tell: bool
) -> tuple[str, ...]:
    from copy import deepcopy

    from etld.deadletters import decision, queries
    from etld.deadletters.repository import Attempt, Settled, lock, settle
    from etld.deadletters.rules import paths

    after: dict[str, Any]
    types = bench.catalog.at(letter.asked_at)
    before, _ = decision.work_on(letter, bench.decode(letter.value), [])
    if sets:
        if before is None:
            return (f"{bench.decode(letter.value).reason}; use --edit to write the event anew",)
        after = deepcopy(before)
        for path, value in sets:
            if not paths.put(after, path, value):
                return (f"there is no place for {paths.text(path)}",)
    else:
        after = _edited(types, before or {"event_id": decision.identity(letter, None)})
    problems: tuple[str, ...] = types.problems(after)
    if problems:
        return problems
    repair = types.repair(after)
    for name, old, new in differences(before, after) if tell else ():
        click.echo(f"    {name}: {old} -> {new}", err=True)
    with conn.transaction(), conn.cursor() as cur:
        locked = lock(cur, letter.id)
        if locked is None or locked.state not in _REPLAYABLE:
            return (f"its state is now {locked.state if locked else 'gone'}",)
        queries.replay(cur, queries.Filter(ids=(letter.id,)), queries.now(conn), 1)
        number = locked.attempts + 1
        audit = Attempt(letter.id, number, decision.BY_HAND, before, after, None, "repaired")
        reason = f"repaired {decision.BY_HAND}"
        settle(cur, [Settled(letter.id, "repaired", number, after["event_type"], repair, reason, audit=audit)])
    return ()


def _written(event: dict[str, Any]) -> str:
    """An event for the editor: as it reads, unless it holds half a character, which no file can."""
    text = json.dumps(event, indent=2, ensure_ascii=False, default=str) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(event, indent=2, default=str) + "\n"
    return text


def _edited(types: Any, before: dict[str, Any]) -> dict[str, Any]:
    """What the user made of the event in the editor; asked again until it is valid or given up."""
    text = _written(before)
    problems: tuple[str, ...]
    while True:
        written = click.edit(text, extension=".json")
        if written is None:
            raise EtldError("nothing was changed, so nothing is replayed")
        text = written
        try:
            after = json.loads(written)
            problems = types.problems(after)
            if isinstance(after, dict) and after.get("event_id") != before.get("event_id"):
                problems = ("event_id: an event keeps its event_id", *problems)
        except ValueError as error:
            problems = (f"not JSON: {error}",)
        if not problems:
            edited: dict[str, Any] = after
            return edited
        for line in problems:
            click.echo(line, err=True)
        if not sys.stdin.isatty() or not click.confirm("edit again?", default=True):
            raise EtldError("the edited event is not valid, so nothing is replayed")
