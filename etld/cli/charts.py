"""`etld charts`: draw now, from the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, as_json: bool) -> None:
    """Draw every chart from the summary tables, and print the paths."""
    from etld.charts.process import draw
    from etld.cli.target import find
    from etld.postgres.errors import UndefinedColumn, UndefinedTable
    from etld.summaries import definition
    from etld.summaries.chart_data import read_charts

    target = find(path)
    config = target.config
    made = definition.read(config.summaries, config.event_types)
    if not any(config.summaries[summary.name].chart for summary in made):
        raise EtldError("no summary in the configuration has a chart: add a table [summaries.<name>.chart]")
    with target.connect("charts") as conn:
        try:
            charts = read_charts(conn, made, config.summaries)
        except (UndefinedTable, UndefinedColumn) as error:
            raise EtldError(
                f"a summary's table is not as the configuration says ({error.diag.message_primary}):"
                " the aggregator makes it when it starts, so `etld reload`"
            ) from error
    paths = draw(
        charts, config.charts.dir, keep=config.charts.keep, dpi=config.charts.dpi, cache=config.state_dir / "matplotlib"
    )
    if as_json:
        click.echo(json.dumps({"charts": paths}))
    else:
        for one in paths:
            click.echo(one)
