"""How the `etld dlq` commands ask and answer: questions, progress, tables, differences."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from etld.cli.asking import system_user
from etld.cli.layout import room, wrapped
from etld.cli.table import table_lines
from etld.errors import EtldError
from etld.util.text import escaped, one_line, shortened, thousands

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from etld.deadletters.changes import Change
    from etld.deadletters.letter_filter import LetterFilter
    from etld.deadletters.service import BulkAction, DeadLetterService

# Narrower than this, the last column of a table goes to a line of its own.
_READABLE = 50
_SHORT = 13
LONGEST_TYPE = 20
"""Characters of an event type in a table."""
_INTERRUPTED = 130
# Seconds after which a corrector goes on with what a command has left undone.
_HELD = 10.0


def bulk(
    service: DeadLetterService,
    action: BulkAction,
    wanted: LetterFilter,
    reason: str | None = None,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Ask, then do an action on all letters that are wanted; the exit code.

    Interrupted, it has done whole steps only, and a repetition goes on with the rest. Killed, a corrector goes on.
    """
    total = service.count(wanted)
    if not total:
        click.echo(
            json.dumps({action.past: 0, "interrupted": False}) if as_json else f"no dead letter to {action.verb}"
        )
        return 0
    if not yes and not agreed(f"{action.verb} {letters(total)}?"):
        return 1
    job = service.begin(action, wanted, f"{system_user()} (command line)", reason, _HELD)
    interrupted = False
    try:
        with progress(total, action.verb, hidden=not sys.stderr.isatty()) as bar:
            for so_far in service.work(job, _HELD):
                bar.update(so_far.done - bar.pos)
        job = service.job(job.id)
    except KeyboardInterrupt:
        interrupted = True
        job = service.cancel(job.id)
    if job.state == "failed":
        raise EtldError(f"{action.past} {thousands(job.done)} of {thousands(total)}: {job.error}", code="ETLD-D022")
    if as_json:
        click.echo(json.dumps({action.past: job.done, "interrupted": interrupted}))
    elif interrupted:
        again = "the same command goes on with the rest"
        click.echo(f"interrupted: {action.past} {thousands(job.done)} of {thousands(total)}; {again}", err=True)
    else:
        click.echo(f"{action.past} {letters(job.done)}")
    return _INTERRUPTED if interrupted else 0


def progress(total: int, label: str, *, hidden: bool) -> click._termui_impl.ProgressBar[int]:
    """A bar on the terminal, beside what the command answers."""
    return click.progressbar(length=total, label=label, file=sys.stderr, hidden=hidden)


def agreed(question: str) -> bool:
    """What a person on a terminal says; anything else agrees. What the command prints may go elsewhere."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or click.confirm(question, err=True):
        return True
    click.echo("nothing was changed", err=True)
    return False


def letters(number: int) -> str:
    """So many dead letters, in words."""
    return f"{thousands(number)} dead letter{'s' if number != 1 else ''}"


def print_table(titles: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Columns of text; numbers to the right, and no column that is empty.

    On a terminal lines are cut to its width; where little of the last column were left, it goes below.
    """
    kept = [at for at in range(len(titles)) if any(row[at] != "" for row in rows)]
    right = [isinstance(rows[0][at], int) for at in kept]
    heads = [titles[at] for at in kept]
    cells = [[_cell(row[at]) for at in kept] for row in rows]
    most = room()
    if most is None or right[-1] or not _little_is_left(heads, cells, most):
        lines = table_lines(heads, cells, right=right, width=most)
    else:
        first = table_lines(heads[:-1], [row[:-1] for row in cells], right=right[:-1], width=most)
        below = (shortened(f"    {row[-1]}", most) for row in (heads, *cells))
        lines = [f"{line}\n{rest}" for line, rest in zip(first, below, strict=True)]
    for number, line in enumerate(lines):
        click.secho(line, bold=number == 0 or None)


def moment(at: datetime) -> str:
    """A time in a table: without its year and what is below a second."""
    return f"{at:%m-%d %H:%M:%S}"


def _little_is_left(heads: list[str], cells: list[list[str]], most: int) -> bool:
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return min(widths[-1], _READABLE) > most - sum(widths[:-1]) - 2 * len(widths)


def _cell(value: object) -> str:
    return thousands(value) if isinstance(value, int) else plain(value)


def print_changes(changes: Iterable[Change], indent: str, *, err: bool = False) -> None:
    """A line for each field that differs."""
    for change in changes:
        told = f"{plain(change.path)}: {readable(change.before)} -> {readable(change.after)}"
        click.echo(indent + told if err else wrapped(indent, told, len(indent) + 4), err=err)


def plain(text: object) -> str:
    """Text on one line, without what a terminal would obey."""
    return escaped(one_line(text))


def readable(text: str) -> str:
    """JSON with its letters as they are, and what a terminal would obey as JSON's escapes; lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)


def short_id(letter_id: str) -> str:
    """Enough of an id for a person to type; every command takes it. A program gets the whole."""
    return letter_id[:_SHORT] if sys.stdout.isatty() else letter_id
