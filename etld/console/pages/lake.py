"""The lake: each table with its rows and files, how far it is, how it is looked after, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.names import LAKE
from etld.console.page import REASON, Field, Page, PageAction
from etld.kafka.errors import KafkaProblem
from etld.sinks.iceberg import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config import Config
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

_KIND = "lake"


def _data(sources: Sources, _view: View) -> dict[str, Any]:
    config, status = sources.config, sources.status()
    partitions, away = [], None
    try:
        cluster = sources.cluster_id()
    except KafkaProblem as error:
        away = str(error)
    with sources.reading() as conn:
        if away is None:
            partitions = told.partitions(conn, cluster)
        tables = {one["event_type"]: one for one in told.tables(conn)}
        backfills, held = told.backfills(conn), told.held(conn)
    workers = [one for one in status["workers"] if one["kind"] == _KIND]
    names = [*config.event_types, *sorted(tables.keys() - config.event_types.keys())]
    return {
        "enabled": config.lake.enabled,
        "catalog": config.lake.catalog,
        "warehouse": config.lake.warehouse or str(config.state_dir / "lake"),
        "commit_every_s": config.lake.commit_every,
        "hold_partitions": config.lake.hold_partitions,
        "tables": [_table(name, tables.get(name), workers, partitions, status["faults"]) for name in names],
        "backfills": backfills,
        "held": held,
        "types": list(config.event_types),
        "kafka": away,
    }


def _table(
    event_type: str,
    table: Mapping[str, Any] | None,
    workers: Sequence[Mapping[str, Any]],
    partitions: Sequence[Mapping[str, Any]],
    faults: Sequence[str],
) -> dict[str, Any]:
    group = LAKE.removeprefix("etld-") + event_type
    own = [one for one in workers if one["name"].rpartition("-")[0] == group]
    heads = tuple(f"{one['name']}{mark}" for one in own for mark in (": ", " "))
    lags = [one["lag"] for one in own if one["lag"] is not None]
    shown = [one for one in partitions if one["event_type"] == event_type]
    return {
        "event_type": event_type,
        "table": None if table is None else dict(table),
        "workers": [{"name": one["name"], "state": one["state"]} for one in own],
        "lag": sum(lags) if lags else None,
        "partitions": shown,
        "halted": sum(1 for one in shown if one["halted"]),
        "faults": [text for text in faults if text.startswith(heads)],
    }


def _backfill(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "lake", "backfill", f"--from={values['since']}", "--", values["type"])


def _is_configured(config: Config) -> bool:
    return config.lake.enabled


PAGE = Page(
    name="lake",
    path="/lake",
    description="The tables of the lake: rows, files, positions, lag, upkeep and faults.",
    data=_data,
    actions=(
        PageAction(
            "backfill",
            "operator",
            "Copy rows that only PostgreSQL has into the lake.",
            _backfill,
            (
                Field("type", "The event type.", required=True),
                Field("since", "earliest, or a time such as 2026-07-01T12:00Z.", required=True),
                REASON,
            ),
        ),
    ),
    live=True,
    key="k",
    is_listed=_is_configured,
)
