"""What the `etld dlq` commands share: filters, the workbench, bulk actions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from etld.cli.target import Target
    from etld.corrector.bench import Bench
    from etld.store.db import Connection, Cursor
    from etld.store.desk import Filter

    Change = Callable[[Cursor, Filter, datetime, int], int]

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")
_AT_ONCE = 500


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
    ids: tuple[str, ...] = (),
) -> Filter:
    """The filter that the options stand for; raises `UsageError`."""
    import re

    from etld.events.ids import canonical
    from etld.store.desk import Filter

    if error is not None:
        try:
            re.compile(error)
        except re.error as problem:
            raise UsageError(f"--error {error!r} is not a regular expression: {problem}") from None
    known = []
    for name in ids:
        try:
            known.append(canonical(name))
        except ValueError:
            raise UsageError(f"{name!r} is not the id of a dead letter: expected a UUID") from None
    return Filter(
        tuple(known) or None,
        states or None,
        types or None,
        error,
        _age("--older-than", older_than),
        _age("--newer-than", newer_than),
    )


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
    from etld.corrector import catalog
    from etld.corrector.bench import Bench
    from etld.corrector.rules import compile_rules
    from etld.corrector.steps.base import Mistake
    from etld.registry import open_registry
    from etld.registry.cache import SchemaCache

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

    from etld.store import desk

    total = desk.count(conn, wanted)
    if not total:
        click.echo(json.dumps({past: 0, "interrupted": False}) if as_json else f"no dead letter to {verb}")
        return 0
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm(f"{verb} {total:,} dead letters?", abort=True)
    before = desk.now(conn)
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
        click.echo(f"{past} {done:,} dead letter{'s' if done != 1 else ''}")
    return 130 if interrupted else 0


def print_table(titles: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Columns of text; numbers to the right. On a terminal the last column is cut to what is left."""
    import shutil

    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else plain(cell) for cell in row) for row in rows]
    widths = [max(len(row[at]) for row in [titles, *cells]) for at in range(len(titles))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, line in enumerate([titles, *cells]):
        shown = [
            text.rjust(width) if isinstance(rows[0][at], int) else text.ljust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        written = "  ".join(shown).rstrip()
        if room is not None and len(written) > room:
            written = written[: room - 1] + "…"
        click.secho(written, bold=number == 0)


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
    if before == after and type(before) is type(after):
        return []
    return [(path, show(before), show(after))]


def show(value: Any) -> str:
    """A value as JSON on one line, "-" for nothing there."""
    import json

    return "-" if value is ... else json.dumps(value, ensure_ascii=True, default=str)
