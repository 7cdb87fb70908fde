"""Every query of the dashboards, run by who may only read, gives what the events themselves say."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from etld.bi import grafana
from etld.postgres import privileges
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.schemas import tree
from etld.sinks.postgres import event_views
from etld.summaries import definition, table_sql
from support.bi_config import dashboards, shipped
from support.cluster import Cluster

pytestmark = pytest.mark.integration

END = datetime(2026, 5, 15, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
#: What a measure is, over the events themselves.
MEASURES = {
    "events_total": "count(*)",
    "orders_total": "count(*)",
    "shipments_total": "count(*)",
    "revenue_total": "sum((event_details ->> 'price')::numeric)",
    "average_price_total": "avg((event_details ->> 'price')::numeric)",
    "value_total": "sum((event_details ->> 'order_value')::numeric)",
    "average_value_total": "avg((event_details ->> 'order_value')::numeric)",
}
GROUPS = {
    "event_name_shown": "event_name",
    "event_type_shown": "event_type",
    "carrier": "coalesce(event_details ->> 'carrier', 'none')",
}
WORDS = {"order_shipped": "in transit", "order_delivered": "delivered"}


def _fill(conn: Connection) -> None:
    """Three weeks of events with a letter, its summaries, views, and a verdict."""
    random = Random(7)
    config = shipped()
    rows = []
    for event_type, kind in config.event_types.items():
        for _ in range(150):
            details: dict[str, Any] = {"price": random.randint(1, 99_999) / 100}
            if event_type == "order":
                details = {"order_value": random.randint(1, 99_999) / 100}
            elif event_type == "delivery":
                details = {"carrier": random.choice(["DHL", "U'PS", None])}
            at = END - random.random() * 3 * WEEK
            names = kind.event_names
            rows.append((str(uuid.uuid4()), random.choice(names), event_type, "{}", json.dumps(details), at, at))
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
            " accepted_at, kafka_partition, kafka_offset) VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0)",
            rows,
        )
    for summary in definition.read(config.summaries, config.event_types):
        into = table_sql.table(summary)
        conn.execute(table_sql.create(summary, into))
        conn.execute(table_sql.insert(summary, table_sql.recompute(summary), into))
    types = [(name, tree.read(kind.schema.read_text())) for name, kind in config.event_types.items()]
    assert event_views.follow(conn, types) == []
    conn.execute(
        "INSERT INTO etld.dead_letter (id, event_type, state, stage, error_class, error, created_at) VALUES"
        " (gen_random_uuid(), 'order', 'parked', 'VALIDATION', 'InvalidEvent',"
        "  'event_details.order_value: expected a finite number, got \"Anna Müller\"', %(at)s),"
        " (gen_random_uuid(), 'order', 'new', 'TASK_PUT', 'DataError', 'invalid input: \"Anna Müller\"', %(at)s)",
        {"at": END - timedelta(days=1)},
    )
    conn.execute("INSERT INTO etld.reconciliation (ok, in_flight, differences) VALUES (false, 0, '{one,two}')")


@pytest.fixture(scope="module")
def reader(cluster: Cluster) -> Iterator[tuple[Connection, Connection]]:
    """The owner's connection to a filled database, and that of a login made for a BI tool."""
    with cluster.database() as dsn, connect(dsn, application_name="etld test") as owner:
        migrate(owner)
        _fill(owner)
        role, login, password = f"readers_{uuid.uuid4().hex[:8]}", f"tool_{uuid.uuid4().hex[:8]}", "an 'odd' one"
        assert privileges.let_read(owner, role) == []
        for _ in range(2):  # a second time changes the password
            privileges.make_login(owner, login, password, role)
        where = privileges.server(dsn)
        address = f"postgresql://{login}@{where['host']}:{where['port']}/{where['dbname']}"
        with connect(address, application_name="a tool", password=password) as conn:
            conn.execute("SET timezone = 'Asia/Tokyo'")
            yield owner, conn


def _as_grafana(query: str, chosen: str = "'*'") -> str:
    """With what Grafana puts in the place of its macros and variables."""
    begin, end = (END - WEEK).isoformat(), END.isoformat()
    query = query.replace("$__timeFrom()", f"'{begin}'").replace("$__timeTo()", f"'{end}'")
    return re.sub(r"\$\{\w+:sqlstring\}", chosen, query)


def _number(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)


def _words(value: str, labels: bool) -> str:
    if labels and value in WORDS:
        return WORDS[value]
    return value[:1].upper() + value[1:].replace("_", " ")


def _truth(owner: Connection, chart: Any, begin: datetime, end: datetime) -> list[tuple[Any, ...]]:
    """The rows of a chart, from the events."""
    measure = MEASURES[chart.metric]
    table = chart.dataset.table
    # Hours are whole or not at all in a summary.
    time = "date_trunc('hour', triggered_at, 'UTC')" if table.startswith("summary_") else "triggered_at"
    where = [f"{time} >= %(begin)s AND {time} < %(end)s"]
    if table.startswith("summary_"):
        where.append(f"event_type = '{table.removeprefix('summary_')}'")
    where += [f"{column} = ANY('{{{','.join(values)}}}')" for column, values in chart.where]
    groups = [GROUPS[one] for one in chart.by]
    if chart.kind in ("bars", "lines"):
        groups = ["date_trunc('hour', triggered_at, 'UTC')", *groups]
    selected = ", ".join([*groups, measure])
    by = f" GROUP BY {', '.join(str(n + 1) for n in range(len(groups)))}" if groups else ""
    query = f"SELECT {selected} FROM processed_events WHERE {' AND '.join(where)}{by}"
    named = [one for one in chart.by if one.endswith("_shown")]
    labels = table == "summary_delivery"
    found = []
    for row in owner.execute(query.encode(), {"begin": begin, "end": end}).fetchall():
        *keys, value = row
        texts = [_words(key, labels) if named and isinstance(key, str) else key for key in keys]
        found.append((*texts, _number(value)))
    return found


def test_every_chart_says_what_the_events_say(reader: tuple[Connection, Connection]) -> None:
    """Numbers with their change, series, breakdowns; tables have the newest row first."""
    owner, conn = reader
    files = {name: json.loads(text) for name, text in grafana.files(dashboards(), "etld").items()}
    compared = 0
    for board, shown in zip(dashboards().dashboards, files.values(), strict=True):
        for chart, panel in zip(board.charts, shown["panels"], strict=True):
            rows = conn.execute(_as_grafana(panel["targets"][0]["rawSql"]).encode()).fetchall()
            if chart.metric not in MEASURES:
                continue
            compared += 1
            truth = _truth(owner, chart, END - WEEK, END)
            if chart.kind == "number":
                ((earlier,),) = _truth(owner, chart, END - 2 * WEEK, END - WEEK)
                ((value,),) = truth
                assert earlier, chart.key
                assert (_number(rows[0][0]), _number(rows[0][1])) == (value, _number(value / earlier - 1)), chart.key
            else:
                keys = [[one.astimezone(UTC) if isinstance(one, datetime) else one for one in row[:-1]] for row in rows]
                got = [(*key, _number(row[-1])) for key, row in zip(keys, rows, strict=True)]
                assert sorted(got, key=str) == sorted(truth, key=str), chart.key
                assert got or chart.kind == "table", chart.key
    assert compared > 20


def test_a_choice_of_the_viewer_counts(reader: tuple[Connection, Connection]) -> None:
    """Grafana's variables offer words, and take them back, quotes and all."""
    _, conn = reader
    text = grafana.files(dashboards(), "etld")["etld-delivery.json"]
    board = json.loads(text)
    offered = {
        one["name"]: [row[0] for row in conn.execute(_as_grafana(one["query"]).encode())]
        for one in board["templating"]["list"][1:]
    }
    assert offered["event_name_shown"] == ["delivered", "in transit"]
    assert set(offered["carrier"]) == {"DHL", "U'PS", None}
    query = next(one for one in board["panels"] if one["title"] == "Shipments by carrier")["targets"][0]["rawSql"]
    chosen = query.replace("${carrier:sqlstring}", "'U''PS'")
    assert [row[0] for row in conn.execute(_as_grafana(chosen).encode())] == ["U'PS"]


def test_nothing_of_a_letter_is_shown(reader: tuple[Connection, Connection]) -> None:
    """Reasons without values; the verdict in words; the letters themselves are not for readers."""
    _, conn = reader
    reasons = dict(conn.execute("SELECT reason, letters FROM etld.dead_letters_by_reason").fetchall())
    assert reasons == {"event_details.order_value: expected a finite number": 1, "refused by the table": 1}
    assert conn.execute("SELECT verdict FROM etld.last_reconcile").fetchall() == [("2 differences",)]
    with pytest.raises(Exception, match="permission denied"):
        conn.execute("SELECT * FROM etld.dead_letter")
    with pytest.raises(Exception, match="permission denied"):
        conn.execute("DELETE FROM processed_events")
