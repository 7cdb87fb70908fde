"""`etld reconcile`: does every record have its row, its dead letter or its reason?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.layout import room, wrapped
from etld.cli.table import table_lines
from etld.util.text import cut_head, thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etld.reconcile.report import Report

_RARE = ("expired", "forgotten", "rewound")
_NUMBERS = ("low", "high", "next", "stored", "duplicate", "filtered", "dead", *_RARE, "gaps", "lost")
_MAY_BE_NONE = ("gaps", "lost", "filtered", "duplicate", "dead", "low")
_FOLLOW = ("gaps", "low", "high", *_RARE)
#: So much of a topic's end and the partition always stands.
_SHORTEST = 14


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--wait", "patience", type=float, default=0.0, metavar="SECONDS", help="Wait that long for what is in flight."
)
@click.pass_obj
def command(path: Path | None, as_json: bool, patience: float) -> None:
    """Compare topics, positions, table, dead letters and summaries; exit 1 where they differ."""
    from etld.cli.target import find
    from etld.reconcile.run import in_memory_broker, reconcile

    target = find(path)
    with target.pool("reconcile") as pool:
        report = reconcile(
            pool,
            target.config,
            target.kafka_settings(),
            in_memory_broker=in_memory_broker(target.config, target.kafka_settings()),
            patience=patience,
        )
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        _show(report)
    sys.exit(0 if report.ok else 1)


def _show(report: Report) -> None:
    width = room() or 80
    for line in partition_table(report.partitions, width):
        click.echo(line)
    letters = (
        ", ".join(f"{thousands(count)} {state}" for state, count in report.dead_letters.items() if count) or "none"
    )
    click.echo(f"rows in processed_events: {thousands(report.table_rows)}")
    click.echo(wrapped("dead letters: ", letters or "none", 2))
    click.echo(f"in flight: {thousands(report.in_flight)}")
    for summary in report.summaries:
        state = {True: "equal", False: "differs", None: "not caught up yet"}[summary["equal"]]
        click.echo(f"summary {summary['name']}: {state}")
    for table in report.lake:
        click.echo(f"rows in the lake's {table['table']}: {thousands(table['rows'])}")
    for difference in report.differences:
        click.secho(wrapped("difference: ", difference, 2), fg="red")
    if report.ok:
        click.secho("no difference", fg="green")


def partition_table(partitions: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    """A line for each partition, and the titles.

    Nothing is said of what expired or was forgotten where nothing did. Where they are wider than `width`, the heads of
    topics are cut first; then columns go that are 0 throughout, then those that follow from others.
    """
    columns = [name for name in _NUMBERS if name not in _RARE or any(row[name] for row in partitions)]
    longest = max((len(_place(row)) for row in partitions), default=0)
    cells = {name: [thousands(row[name]) for row in partitions] for name in columns}
    wide = {name: max(map(len, [name, *cells[name]])) + 2 for name in columns}
    nothing = [name for name in _MAY_BE_NONE if not any(row[name] for row in partitions)]
    for name in (*nothing, *_FOLLOW):
        if width - sum(wide[one] for one in columns) >= min(longest, _SHORTEST):
            break
        if name in columns:
            columns.remove(name)
    most = max(_SHORTEST, width - sum(wide[one] for one in columns))
    places = [cut_head(_place(row), most) for row in partitions]
    rows = [[place, *(cells[name][at] for name in columns)] for at, place in enumerate(places)]
    return table_lines(("partition", *columns), rows, right=(False, *(True for _ in columns)), width=None)


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['topic']}:{row['partition']}"
