"""`etld dlq list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq.options import chosen, filters, open_service
from etld.cli.dlq.output import LONGEST_TYPE, moment, print_table, short_id
from etld.util.text import cut_head, thousands

if TYPE_CHECKING:
    from pathlib import Path

    from etld.deadletters.queries import ListedLetter

_PAGE = 50
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
        click.echo(f"{len(rows)} of {thousands(total)}; the next page: --after {short_id(rows[-1].id)}")


def _cells(row: ListedLetter) -> tuple[object, ...]:
    from etld.deadletters.decision import without_preamble

    said = without_preamble(row.reason) if row.state in ("parked", "discarded") and row.reason else row.error
    return (
        short_id(row.id),
        row.state,
        cut_head(row.event_type or "?", LONGEST_TYPE),
        row.stage,
        row.attempts,
        moment(row.created_at),
        said,
    )
