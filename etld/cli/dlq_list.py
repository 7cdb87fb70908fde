"""`etld dlq list`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq_common import chosen, filters, identified, names, print_table

if TYPE_CHECKING:
    from pathlib import Path

_PAGE = 50
_SHORT = 13


@click.command()
@filters
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many (without --json {_PAGE}).")
@click.option("--after", metavar="ID", help="The next page: letters after this one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; all letters unless limited.")
@click.pass_obj
def command(path: Path | None, /, limit: int | None, after: str | None, as_json: bool, **options: Any) -> None:
    """List dead letters, newest first."""
    from etld.cli.target import find
    from etld.deadletters import queries

    wanted = chosen(**options)
    given = names((after,)) if after else ()
    with find(path).connect("dlq") as conn:
        (start,) = identified(conn, wanted, given).ids or (None,)
        if as_json:
            for row in queries.pages(conn, wanted, limit, start):
                click.echo(json.dumps(row.as_json()))
            return
        most = limit or _PAGE
        rows = list(queries.pages(conn, wanted, most, start))
        total = queries.count(conn, wanted) if len(rows) == most else len(rows)
    _table(rows)
    if total > len(rows):
        click.echo(f"{len(rows)} of {total:,}; the next page: --after {_short(rows[-1].id)}")


def _table(rows: list[Any]) -> None:
    if not rows:
        click.echo("no dead letters")
        return
    titles = ("id", "state", "type", "stage", "tries", "came", "error or reason")
    print_table(titles, [_cells(row) for row in rows])


def _short(letter_id: str) -> str:
    """Enough of an id for a person to type; every command takes it. A program gets the whole."""
    return letter_id[:_SHORT] if sys.stdout.isatty() else letter_id


def _cells(row: Any) -> tuple[object, ...]:
    said = row.reason if row.state in ("parked", "discarded") and row.reason else row.error
    came = f"{row.created_at:%m-%d %H:%M:%S}"
    return (_short(row.id), row.state, row.event_type or "?", row.stage, row.attempts, came, said)
