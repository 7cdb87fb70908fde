"""dbt: a project whose sources are the views and summaries, with what is said of each column and tests of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.bi.as_text import as_text
from etld.bi.model import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.bi.address import DatabaseAddress
    from etld.bi.model import Dashboards, Dataset, DatasetColumn

_PROJECT = "etld"
_DAY = 86_400
_PROFILE = """# `etld bi login dbt --password-file dbt.pass` makes who reads. What dbt makes goes into `schema`.
etld:
  target: dev
  outputs:
    dev:
      type: postgres
      host: "{{{{ env_var('ETLD_PGHOST', '{host}') }}}}"
      port: "{{{{ env_var('ETLD_PGPORT', '{port}') | int }}}}"
      dbname: "{{{{ env_var('ETLD_PGDATABASE', '{database}') }}}}"
      user: "{{{{ env_var('ETLD_PGUSER', 'dbt') }}}}"
      password: "{{{{ env_var('ETLD_PGPASSWORD') }}}}"
      schema: "{{{{ env_var('ETLD_DBT_SCHEMA', 'analytics') }}}}"
      threads: 4
"""
_README = """# dbt on etld's tables

Made by `etld bi dbt`; what is in `models/etld/` is written anew each time, so put models of your own beside it.

    etld bi login dbt --password-file dbt.pass
    export ETLD_PGPASSWORD=$(cat dbt.pass)
    dbt parse --profiles-dir .
    dbt test --profiles-dir . --select "source:*"     # only reads
    dbt build --profiles-dir .                        # makes tables in ETLD_DBT_SCHEMA, where the user may create
"""
_UNIQUE_ROWS = """{% test unique_rows(model, columns) %}
-- One row for each of these columns' values; NULL counts as one.
SELECT {{ columns | join(', ') }} FROM {{ model }} GROUP BY {{ columns | join(', ') }} HAVING count(*) > 1
{% endtest %}
"""


def files(made: Dashboards, names: Mapping[str, tuple[str, ...]], address: DatabaseAddress) -> dict[str, str]:
    """Every file of the project, by its path. `names`: the event names that each view of an event type may have."""
    tables = [_source(one, names.get(one.table, ())) for one in made.datasets if one.schema == "etld"]
    events = [_source(one, ()) for one in made.datasets if one.schema == "public"]
    sources = [
        {"name": "etld", "schema": "etld", "description": "Events, summaries and accounts.", "tables": tables},
        {"name": "etld_public", "schema": "public", "description": "All events.", "tables": events},
    ]
    daily = [one for one in made.datasets if one.table.startswith("summary_") and one.grain <= _DAY and one.metrics]
    project: dict[str, Any] = {"name": _PROJECT, "version": "1.0.0", "profile": _PROJECT, "model-paths": ["models"]}
    project |= {"macro-paths": ["macros"], "models": {_PROJECT: {"+materialized": "view"}}}
    return {
        "dbt_project.yml": as_text(
            {**project, "macro-paths": ["macros"], "models": {_PROJECT: {"+materialized": "view"}}}
        ),
        "profiles.yml": _PROFILE.format(host=address.host, port=address.port, database=address.database),
        "README.md": _README,
        "macros/etld_unique_rows.sql": _UNIQUE_ROWS,
        "models/etld/sources.yml": as_text({"version": 2, "sources": sources}),
        "models/etld/models.yml": as_text({"version": 2, "models": [_model(one) for one in daily]}),
        **{f"models/etld/{one.table}_daily.sql": _daily(one) for one in daily},
    }


def _source(table: Dataset, names: tuple[str, ...]) -> dict[str, Any]:
    columns = [_column(one, _tests(table, one.name, names)) for one in table.columns if not one.expression]
    made = {"name": table.table, "description": f"{table.title}. {table.description}", "columns": columns}
    if len(table.key_columns) > 1:
        made["data_tests"] = [{"unique_rows": {"arguments": {"columns": list(table.key_columns)}}}]
    return made


def _tests(table: Dataset, column: str, names: tuple[str, ...]) -> list[Any]:
    tests: list[Any] = []
    if column in (table.instant, *table.key_columns[:1]):
        tests.append("not_null")
    if (column,) == table.key_columns:
        tests.append("unique")
    if column == "event_name" and names:
        # Events of an earlier configuration may have had other names.
        tests.append({"accepted_values": {"arguments": {"values": list(names)}, "config": {"severity": "warn"}}})
    return tests


def _daily(table: Dataset) -> str:
    """A summary by days of UTC, or of its place: for models of one's own to begin with."""
    groups = [quoted(one) for one in table.key_columns[1:]]
    measures = [f"    {one.expression} AS {quoted(_measure(one.name))}" for one in table.metrics]
    selected = [f"    {_day(table)} AS day", *(f"    {one}" for one in groups), *measures]
    by = ", ".join(str(n + 1) for n in range(1 + len(groups)))
    source = f"{{{{ source('etld', '{table.table}') }}}}"
    return "SELECT\n" + ",\n".join(selected) + f"\nFROM {source}\nGROUP BY {by}\n"


def _day(table: Dataset) -> str:
    if table.time != table.instant:
        return f"({table.column(table.time).sql})::date"
    return f"({quoted(table.time)} AT TIME ZONE 'UTC')::date"


def _measure(metric: str) -> str:
    return metric.removesuffix("_total")


def _model(table: Dataset) -> dict[str, Any]:
    keys = ["day", *table.key_columns[1:]]
    metrics = [{"name": _measure(one.name), "description": one.description} for one in table.metrics]
    groups = [_column(table.column(one), []) for one in table.key_columns[1:]]
    return {
        "name": f"{table.table}_daily",
        "description": f"{table.title} by day.",
        "columns": [{"name": "day", "description": "The day.", "data_tests": ["not_null"]}, *groups, *metrics],
        "data_tests": [{"unique_rows": {"arguments": {"columns": keys}}}],
    }


def _column(column: DatasetColumn, tests: list[Any]) -> dict[str, Any]:
    described = {"name": column.name, "description": column.description or column.label}
    return {**described, **({"data_tests": tests} if tests else {})}
