"""`etld dlq stats`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq.options import STATES, open_service
from etld.cli.dlq.output import LONGEST_TYPE, moment, print_table, short_id
from etld.util.text import cut_head, thousands

if TYPE_CHECKING:
    from pathlib import Path


_MOST = 20


@click.command()
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, states: tuple[str, ...], as_json: bool) -> None:
    """Count dead letters by state, error (each with one of its letters as an example), rule and day."""
    with open_service(path) as service:
        found = service.statistics(states or None)
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found["errors"]:
        click.echo("no dead letters")
        return
    click.echo(", ".join(f"{thousands(number)} {state}" for state, number in found["states"].items() if number))
    _table("by error", [_error(row) for row in found["errors"][:_MOST]])
    if len(found["errors"]) > _MOST:
        click.echo(f"… and {thousands(len(found['errors']) - _MOST)} kinds more, rarer ones: --json has all")
    click.echo("--json also has the group of each, for --group and for `etld dlq rules draft`")
    _table("attempts by rule", found["rules"])
    _table("by day", found["days"])


def _error(row: dict[str, Any]) -> dict[str, object]:
    """What of a group fits a line of eighty columns, and its example and error, which may go below."""
    error = (row["error_class"], row["sqlstate"])
    return {
        "type": cut_head(row["event_type"], LONGEST_TYPE),
        "stage": row["stage"],
        **{name: row[name] for name in ("letters", "parked", "resolved")},
        "last came": moment(datetime.fromisoformat(row["last_seen"])),
        "example, class and error": f"{short_id(row['example'])}  {' '.join(filter(None, error))}: {row['error']}",
    }


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        print_table(tuple(name.replace("_", " ") for name in rows[0]), [tuple(row.values()) for row in rows])
