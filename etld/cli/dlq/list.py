"""`etld dlq list`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq.options import chosen, filters, open_service
from etld.cli.dlq.output import print_table

if TYPE_CHECKING:
    from pathlib import Path

    from etld.deadletters.queries import ListedLetter

_PAGE = 50
_SHORT = 13
_TITLES = ("id", "state", "type", "stage", "tries", "came", "error or reason")


@click.command()
@filters
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many (without --json {_PAGE}).")
@click.option("--after", metavar="ID", help="The next page: letters after this one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; all letters unless limited.")
@click.pass_obj
def command(path: Path | None, /, limit: int | None, after: str | None, as_json: bool, **options: Any) -> None:
    """List dead letters, newest first."""
    from etld.deadletters.service import letter_names

    wanted = chosen(**options)
    names = letter_names((after,)) if after else ()
    with open_service(path) as service:
        (start,) = service.identified(wanted, names).ids or (None,)
        if as_json:
            for row in service.listed(wanted, limit, start):
                click.echo(json.dumps(row.as_json()))
            return
        most = limit or _PAGE
        rows = list(service.listed(wanted, most, start))
        total = service.count(wanted) if len(rows) == most else len(rows)
    if not rows:
        click.echo("no dead letters")
        return
    print_table(_TITLES, [_cells(row) for row in rows])
    if total > len(rows):
        click.echo(f"{len(rows)} of {total:,}; the next page: --after {_short(rows[-1].id)}")


def _short(letter_id: str) -> str:
    """Enough of an id for a person to type; every command takes it. A program gets the whole."""
    return letter_id[:_SHORT] if sys.stdout.isatty() else letter_id


def _cells(row: ListedLetter) -> tuple[object, ...]:
    said = row.reason if row.state in ("parked", "discarded") and row.reason else row.error
    came = f"{row.created_at:%m-%d %H:%M:%S}"
    return (_short(row.id), row.state, row.event_type or "?", row.stage, row.attempts, came, said)
