"""What the `etld dlq` commands share: filters, the workbench, bulk actions."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from etld.cli.target import Target
    from etld.deadletters.queries import Filter
    from etld.deadletters.repairer import Bench
    from etld.postgres.connections import Connection, Cursor

    Change = Callable[[Cursor, Filter, datetime, int], int]

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")
_AT_ONCE = 500
_UUID_LENGTH = 36
_NAME = re.compile(r"[0-9a-fA-F-]{4,36}")
# Narrower than this, the last column of a table goes to a line of its own.
_READABLE = 50


def filters(function: Any) -> Any:
    """The options that choose letters."""
    for option in (
        click.option("--newer-than", metavar="AGE", help='Only letters that came within e.g. "1 h".'),
        click.option("--older-than", metavar="AGE", help='Only letters that came before e.g. "7 d".'),
        click.option("--error", metavar="REGEX", help="Only letters whose error or reason matches."),
        click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this event type; may be repeated."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state; may be repeated."
        ),
    ):
        function = option(function)
    return function


def chosen(
    states: tuple[str, ...] = (),
    types: tuple[str, ...] = (),
    error: str | None = None,
    older_than: str | None = None,
    newer_than: str | None = None,
) -> Filter:
    """The filter that the options stand for; raises `UsageError`."""
    from etld.deadletters.queries import Filter

    if error is not None:
        try:
            re.compile(error)
        except re.error as problem:
            raise UsageError(f"--error {error!r} is not a regular expression: {problem}") from None
    return Filter(
        None,
        states or None,
        types or None,
        error,
        _age("--older-than", older_than),
        _age("--newer-than", newer_than),
    )


def names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Ids, event_ids or beginnings of ids as they were typed; raises `UsageError`."""
    for name in given:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not the id of a dead letter: expected a UUID, or four characters of it")
    return tuple(name.lower() for name in given)


def identified(conn: Connection, wanted: Filter, given: tuple[str, ...], what: str | None = None) -> Filter:
    """The filter for the letters that were named, one for each name; raises `EtldError`.

    With `what` (a participle), their states have to be among those wanted.
    """
    from dataclasses import replace

    from etld.deadletters import queries

    if not given:
        return wanted
    whole = [name for name in given if len(name) == _UUID_LENGTH]
    there = queries.states_of(conn, whole)
    ids = []
    for name in given:
        found = [(name, there[name])] if name in there else queries.named(conn, name)
        if not found:
            raise EtldError(f"there is no dead letter {name}")
        if len(found) > 1:
            raise EtldError(f"{name} is more than one dead letter: {found[0][0]}, {found[1][0]} …")
        ((letter, state),) = found
        if what and wanted.states and state not in wanted.states:
            raise EtldError(f"dead letter {letter} is {state}; only {', '.join(wanted.states)} can be {what}")
        ids.append(letter)
    return replace(wanted, ids=tuple(ids))


def _age(option: str, text: str | None) -> float | None:
    from etld.config.units import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def workbench(target: Target, rules: Any = None) -> Bench:
    """The corrector's bench with the rules of the configuration, or others."""
    from etld.deadletters import catalog
    from etld.deadletters.repairer import Bench
    from etld.deadletters.rules.engine import compile_rules
    from etld.deadletters.rules.steps.base import Mistake
    from etld.schemas.registry import open_registry
    from etld.schemas.registry.cache import SchemaCache

    try:
        compiled = compile_rules(target.config.corrector.rules if rules is None else rules)
    except Mistake as mistake:
        raise EtldError(f"corrector.rules: {mistake.message}") from mistake
    schemas = SchemaCache(open_registry(target.config, target.addresses))
    return Bench(compiled, catalog.load(target.config), schemas)


def bulk(conn: Connection, wanted: Filter, verb: str, past: str, change: Change, *, yes: bool, as_json: bool) -> int:
    """Ask, then change all letters that a filter chooses, some hundred a transaction; the exit code.

    Interrupted, it has changed whole letters only, and a repetition goes on with the rest.
    """
    import json

    from etld.deadletters import queries

    total = queries.count(conn, wanted)
    if not total:
        click.echo(json.dumps({past: 0, "interrupted": False}) if as_json else f"no dead letter to {verb}")
        return 0
    if not yes and not agreed(f"{verb} {letters(total)}?"):
        return 1
    before = queries.now(conn)
    done = 0
    interrupted = False
    try:
        with click.progressbar(length=total, label=verb, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            while True:
                with conn.transaction(), conn.cursor() as cur:
                    changed = change(cur, wanted, before, _AT_ONCE)
                done += changed
                bar.update(changed)
                if not changed:
                    break
    except KeyboardInterrupt:
        interrupted = True
    if as_json:
        click.echo(json.dumps({past: done, "interrupted": interrupted}))
    elif interrupted:
        click.echo(f"interrupted: {past} {done:,} of {total:,}; the same command goes on with the rest", err=True)
    else:
        click.echo(f"{past} {letters(done)}")
    return 130 if interrupted else 0


def agreed(question: str) -> bool:
    """What a person on a terminal says; anything else agrees. What the command prints may go elsewhere."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or click.confirm(question, err=True):
        return True
    click.echo("nothing was changed", err=True)
    return False


def letters(number: int) -> str:
    """So many dead letters, in words."""
    return f"{number:,} dead letter{'s' if number != 1 else ''}"


def print_table(titles: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Columns of text; numbers to the right, and no column that is empty.

    On a terminal lines are cut to its width; where little of the last column were left, it goes below.
    """
    import shutil

    kept = [at for at in range(len(titles)) if any(row[at] != "" for row in rows)]
    right = [isinstance(rows[0][at], int) for at in kept]
    lines = [[titles[at] for at in kept]]
    lines += [[f"{row[at]:,}" if isinstance(row[at], int) else plain(row[at]) for at in kept] for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(kept))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    below = room is not None and not right[-1] and min(widths[-1], _READABLE) > room - sum(widths[:-1]) - 2 * len(kept)
    for number, line in enumerate(lines):
        shown = [text.rjust(widths[at]) if right[at] else text.ljust(widths[at]) for at, text in enumerate(line)]
        parts = ["  ".join(shown[:-1]), f"    {line[-1]}"] if below else ["  ".join(shown)]
        for part in parts:
            click.secho(cut(part.rstrip(), room), bold=number == 0 or None)


def cut(text: str, room: int | None) -> str:
    """A line of at most `room` characters."""
    return text if room is None or len(text) <= room else text[: room - 1] + "…"


def plain(text: object) -> str:
    """Text on one line, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(str(text).split()))


def differences(before: Any, after: Any, path: str = "") -> list[tuple[str, str, str]]:
    """(path, before, after) of every field in which two events differ; "-" where there is none."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in [*before, *(key for key in after if key not in before)]:
            found += differences(before.get(key, ...), after.get(key, ...), f"{path}.{key}" if path else key)
        return found
    old, new = show(before), show(after)
    return [] if old == new else [(path, old, new)]


def show(value: Any) -> str:
    """A value as JSON on one line, "-" for nothing there."""
    import json

    return "-" if value is ... else json.dumps(value, ensure_ascii=True, default=str)
