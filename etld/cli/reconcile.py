"""`etld reconcile`: does every record have its row, its dead letter or its reason?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from etld.reconcile.report import Report


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--wait", "patience", type=float, default=0.0, metavar="SECONDS", help="Wait that long for what is in flight."
)
@click.pass_obj
def command(path: Path | None, as_json: bool, patience: float) -> None:
    """Compare topics, positions, table, dead letters and summaries; exit 1 where they differ."""
    from etld.cli.target import find
    from etld.reconcile.run import reconcile

    target = find(path)
    with target.pool("reconcile") as pool:
        report = reconcile(
            pool,
            target.config,
            target.kafka_settings(),
            in_memory_broker=target.in_memory_broker,
            patience=patience,
        )
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        _show(report)
    sys.exit(0 if report.ok else 1)


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    columns = ("topic", "partition", "low", "high", "next", "stored", "duplicate", "filtered", "dead", "gaps", "lost")
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name, justify="left" if name == "topic" else "right")
    for row in report.partitions:
        table.add_row(*(_number(row[name]) for name in columns))
    console.print(table)
    letters = ", ".join(f"{count} {state}" for state, count in report.dead_letters.items() if count) or "none"
    console.print(f"rows in processed_events: {report.table_rows:,}")
    console.print(f"dead letters: {letters}")
    console.print(f"in flight: {report.in_flight:,}")
    for summary in report.summaries:
        state = {True: "equal", False: "differs", None: "not caught up yet"}[summary["equal"]]
        console.print(f"summary {summary['name']}: {state}")
    for difference in report.differences:
        console.print(f"[bold red]difference:[/] {difference}", highlight=False)
    if report.ok:
        console.print("[green]no difference[/]")


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
