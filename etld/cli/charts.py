"""`etld charts`: draw now, from the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(cls=AuditedCommand, action="summaries/draw")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, as_json: bool) -> None:
    """Draw every chart from the summary tables, and print the paths."""
    from etld.charts.process import draw
    from etld.cli.target import find
    from etld.postgres.errors import UndefinedTable
    from etld.sinks.postgres.unwrap import PostgresSide
    from etld.summaries import definition, tables
    from etld.summaries.chart_data import read_charts

    target = find(path)
    config = target.config
    summaries = definition.read(config.summaries, config.event_types)
    summaries = [summary for summary in summaries if config.summaries[summary.name].chart]
    if not summaries:
        raise EtldError(
            "no summary in the configuration has a chart: add a table [summaries.<name>.chart]", code="ETLD-M006"
        )
    with target.connect("charts") as conn:
        try:
            ready = tables.ready(conn, summaries)
        except UndefinedTable as error:
            raise EtldError(
                "the database has no tables of etld yet: `etld start` makes them", code="ETLD-P006"
            ) from error
        missing = [f"etld.{summary.table}" for summary in summaries if summary not in ready]
        if missing:
            told = (
                f"not made as the configuration says: {', '.join(missing)}. The aggregator makes it when it starts,"
                " so `etld reload`, or see `etld status`"
            )
            if not ready:
                raise EtldError(told, code="ETLD-M005")
            click.echo(f"etld: {told}", err=True)
        charts = read_charts(PostgresSide(conn), ready, config.summaries)
    paths = draw(charts, config.charts, config.state_dir / "matplotlib")
    if as_json:
        click.echo(json.dumps({"charts": paths}))
    else:
        for one in paths:
            click.echo(one)
