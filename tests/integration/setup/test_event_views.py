"""The views of event types: typed, never failing, and following the schema."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.schemas import tree
from etld.sinks.postgres import event_views

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
PURCHASE = json.loads((ROOT / "schemas" / "purchase.avsc").read_text())
FIXED = ["event_id", "event_name", "triggered_at", "accepted_at", "processed_at", "repaired"]


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A migrated database."""
    with connect(database, application_name="etld test") as connection:
        migrate(connection)
        yield connection


def _schema(*more: dict[str, Any], user: tuple[dict[str, Any], ...] = (), without: str = "") -> tree.Type:
    """The schema of purchases with more fields in the details, or one less."""
    schema = json.loads(json.dumps(PURCHASE))
    details = schema["fields"][5]["type"]["fields"]
    details += more
    details[:] = [one for one in details if one["name"] != without]
    schema["fields"][4]["type"]["fields"] += user
    return tree.parse(schema)


def _optional(name: str, kind: Any, doc: str = "") -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None, "doc": doc}


def _follow(conn: Connection, top: tree.Type) -> list[str]:
    return event_views.follow(conn, [("purchase", top)])


def _store(conn: Connection, details: Any, user: Any = None, event_id: str = "") -> str:
    event_id = event_id or str(uuid.uuid4())
    conn.execute(
        "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
        " accepted_at, kafka_partition, kafka_offset) VALUES (%s, 'sold', 'purchase', %s, %s, now(), now(), 0, 0)",
        (event_id, json.dumps(user), json.dumps(details)),
    )
    return event_id


def _columns(conn: Connection, view: str = "event_purchase") -> dict[str, str]:
    rows = conn.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
        (f"etld.{view}",),
    )
    return dict(rows.fetchall())


def test_columns_have_the_types_of_the_schema_and_its_words(conn: Connection) -> None:
    """By Avro type and logical type; comments of the schema stand at view and column."""
    logical = [
        ("at", {"type": "long", "logicalType": "timestamp-micros"}, "timestamp with time zone"),
        ("local", {"type": "long", "logicalType": "local-timestamp-millis"}, "timestamp without time zone"),
        ("day", {"type": "int", "logicalType": "date"}, "date"),
        ("hour", {"type": "long", "logicalType": "time-micros"}, "time without time zone"),
        ("ref", {"type": "string", "logicalType": "uuid"}, "uuid"),
        ("amount", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "numeric"),
        ("number", "int", "bigint"),
        ("share", "float", "double precision"),
        ("paid", "boolean", "boolean"),
        ("state", {"type": "enum", "name": "State", "symbols": ["a", "b"]}, "text"),
        ("tags", {"type": "array", "items": "string"}, "jsonb"),
        ("traits", {"type": "map", "values": "string"}, "jsonb"),
        ("where", {"type": "record", "name": "Where", "fields": [{"name": "x", "type": "int"}]}, "jsonb"),
    ]
    mixed = {"name": "mixed", "type": ["null", "long", "string"], "default": None}
    assert _follow(conn, _schema(*(_optional(name, kind) for name, kind, _ in logical), mixed)) == []
    columns = _columns(conn)
    assert list(columns)[: len(FIXED)] == FIXED
    assert {name: columns[name] for name, _, _ in logical} == {name: kind for name, _, kind in logical}
    assert (columns["mixed"], columns["user_id"], columns["price"]) == ("jsonb", "bigint", "double precision")
    comments = conn.execute(
        "SELECT obj_description(v, 'pg_class'), col_description(v, (SELECT attnum FROM pg_attribute WHERE attrelid = v"
        " AND attname = 'price')) FROM CAST('etld.event_purchase' AS regclass) v"
    ).fetchone()
    assert comments == (
        "Events of type purchase. One step of a purchase: added_to_cart, checkout_initiated or payment_successful.",
        "Price of the item in US dollars. (event_details.price)",
    )
    _store(
        conn,
        {
            "at": "2026-05-04T10:30:00.5Z", "local": "2026-05-04 10:30:00", "day": "2026-05-04", "hour": "01:02:03.5",
            "ref": "019a0c5e-0000-7000-8000-000000000000", "amount": "1.50", "number": 7, "share": 0.5, "paid": True,
            "state": "a", "tags": ["x"], "mixed": "m", "price": 19.99,
        },
    )  # fmt: skip
    row = conn.execute(
        'SELECT at::text, local::text, day::text, hour::text, ref::text, amount::text, "number", share, paid, state,'
        " tags, mixed, price, user_id FROM etld.event_purchase"
    ).fetchone()
    assert row == (
        "2026-05-04 10:30:00.5+00", "2026-05-04 10:30:00", "2026-05-04", "01:02:03.5",
        "019a0c5e-0000-7000-8000-000000000000", "1.50", 7, 0.5, True, "a", ["x"], "m", 19.99, None,
    )  # fmt: skip


def test_a_value_that_does_not_fit_is_null(conn: Connection) -> None:
    """Whatever another producer writes, no query fails; plain decimal text is a number, as in summaries."""
    times = [
        _optional(name, {"type": kind, "logicalType": logical})
        for name, kind, logical in (
            ("at", "long", "timestamp-micros"), ("local", "long", "local-timestamp-micros"), ("day", "int", "date"),
            ("hour", "int", "time-millis"), ("ref", "string", "uuid"),
        )
    ]  # fmt: skip
    _follow(conn, _schema(*times, _optional("paid", "boolean")))
    names = ("item_id", "price", "at", "local", "day", "hour", "ref", "paid")
    for odd in (
        "dear",
        "",
        "1e5",
        "NaN",
        "2026-02-30T25:00:00Z",
        [1],
        {"a": 1},
        None,
        "99999999999999999999",
        "é" * 9000,
    ):
        _store(conn, dict.fromkeys(names, odd))
    for text in ("1e400", "-1e400", "1e-400", "1.5", "9223372036854775808"):
        conn.execute(
            "INSERT INTO processed_events (event_id, event_name, event_type, event_details, triggered_at,"
            " kafka_partition, kafka_offset) VALUES (gen_random_uuid(), 'sold', 'purchase',"
            f' \'{{"item_id": {text}, "price": {text}, "paid": {text}, "at": {text}}}\', now(), 0, 0)'.encode()
        )
    conn.execute("UPDATE processed_events SET user_details = '[]'")
    rows = conn.execute(f"SELECT {', '.join(names)} FROM etld.event_purchase".encode()).fetchall()
    numbers = sorted(row[1] for row in rows if row[1] is not None)
    assert numbers == [1.5, 9.223372036854775808e18, 1e20]
    assert {value for row in rows for value in (row[0], *row[2:])} == {None}
    _store(conn, {"item_id": "12", "price": "12.5"})
    _store(conn, {"item_id": -9223372036854775808, "price": 7})
    total = conn.execute("SELECT sum(price), min(item_id), count(item_id) FROM etld.event_purchase WHERE price < 1e6")
    assert total.fetchone() == (21.0, -9223372036854775808, 2)


def test_it_follows_the_schema(conn: Connection) -> None:
    """New fields at the end, a field that is gone keeps its column; grants and what depends on the view stay."""
    _follow(conn, _schema())
    conn.execute("CREATE VIEW public.mine AS SELECT price FROM etld.event_purchase")
    conn.execute("GRANT SELECT ON etld.event_purchase TO pg_monitor")
    before = list(_columns(conn))
    _store(conn, {"item_name": "old", "price": 1.0, "coupon": "X"})
    assert (
        _follow(conn, _schema(_optional("coupon", "string"), user=(_optional("age", "int"),), without="item_name"))
        == []
    )
    assert list(_columns(conn)) == [*before, "age", "coupon"]
    assert conn.execute("SELECT item_name, coupon FROM etld.event_purchase").fetchone() == ("old", "X")
    acl = "SELECT relacl::text FROM pg_class WHERE oid = 'etld.event_purchase'::regclass"
    assert "pg_monitor=r/" in conn.execute(acl.encode()).fetchall()[0][0]
    conn.execute("DROP VIEW public.mine")


def test_another_type_makes_another_view(conn: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """With the grants of the old one, which stays for what reads it."""
    _follow(conn, _schema(_optional("age", "string")))
    conn.execute("GRANT SELECT, REFERENCES ON etld.event_purchase TO pg_monitor")
    conn.execute("GRANT SELECT (price) ON etld.event_purchase TO pg_read_all_stats")
    with caplog.at_level(logging.INFO):
        assert _follow(conn, _schema(_optional("age", "int"))) == []
    assert "etld.event_purchase is made anew" in caplog.text
    assert _columns(conn)["age"] == "bigint"
    grants = "SELECT grantee::text, privilege_type FROM information_schema.{} WHERE table_name = 'event_purchase'"
    tables = conn.execute(grants.format("role_table_grants").encode()).fetchall()
    assert {("pg_monitor", "SELECT"), ("pg_monitor", "REFERENCES")} <= set(tables)
    columns = conn.execute(grants.format("column_privileges").encode()).fetchall()
    assert ("pg_read_all_stats", "SELECT") in columns
    assert _columns(conn, "event_purchase_old1") == {}
    conn.execute("CREATE VIEW public.mine AS SELECT age FROM etld.event_purchase")
    _follow(conn, _schema(_optional("age", "boolean")))
    assert _columns(conn)["age"] == "boolean"
    assert _columns(conn, "event_purchase_old1")["age"] == "bigint"
    assert "etld.event_purchase_old1 now; it is read by mine" in caplog.text
    assert conn.execute("SELECT count(*) FROM public.mine").fetchone() == (0,)


def test_names_that_are_taken(conn: Connection, caplog: pytest.LogCaptureFixture) -> None:
    """By another field, by a column of every event, or by a table; told in the log, and the same next time."""
    caplog.set_level(logging.INFO)
    fields = [_optional("name", "string"), _optional("repaired", "int"), _optional("n" * 80, "int")]
    _follow(conn, _schema(*fields))
    columns = _columns(conn)
    assert (columns["name"], columns["event_details_name"]) == ("text", "text")
    assert (columns["repaired"], columns["event_details_repaired"]) == ("boolean", "bigint")
    assert "has event_details.name as event_details_name" in caplog.text
    (long,) = [name for name in columns if name.startswith("nnn")]
    assert len(long) == 63
    _follow(conn, _schema(_optional("other", "int"), *fields))
    assert list(_columns(conn)) == [*columns, "other"]
    conn.execute("CREATE TABLE etld.event_taken ()")
    assert event_views.follow(conn, [("taken", _schema())]) == []
    assert "price" in _columns(conn, "event_taken_view")


def test_who_keeps_it_locked_is_not_waited_for(conn: Connection, database: str) -> None:
    """Longer than a second; and what need not change is not touched at all."""
    _follow(conn, _schema())
    with connect(database, application_name="a long report") as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM etld.event_purchase")
        assert _follow(conn, _schema()) == []
        (problem,) = _follow(conn, _schema(_optional("age", "int")))
        assert "etld.event_purchase is not up to date" in problem
    assert _follow(conn, _schema(_optional("age", "int"))) == []


def test_which_events_a_repair_brought_back(conn: Connection) -> None:
    """By the dead letter that was resolved."""
    _follow(conn, _schema())
    mended, plain = _store(conn, {"price": 1}), _store(conn, {"price": 2})
    conn.execute(
        "INSERT INTO etld.dead_letter (id, state, stage, error_class, error, repair_key)"
        " SELECT gen_random_uuid(), state, 'DECODE', 'x', 'x', key"
        " FROM (VALUES ('resolved', %s::uuid), ('parked', %s::uuid)) v (state, key)",
        (mended, plain),
    )
    rows = conn.execute("SELECT event_id::text, repaired FROM etld.event_purchase").fetchall()
    assert dict(rows) == {mended: True, plain: False}


def test_a_condition_on_accepted_at_leaves_partitions_out(conn: Connection) -> None:
    """In a partitioned table whose default partition has the rows of before, for which nobody knows it."""
    old = _store(conn, {"price": 1.0})
    conn.execute("UPDATE processed_events SET accepted_at = NULL")
    conn.execute("ALTER TABLE processed_events RENAME TO before")
    conn.execute("CREATE TABLE processed_events (LIKE before) PARTITION BY RANGE (accepted_at)")
    conn.execute("ALTER TABLE before ALTER id DROP IDENTITY, ADD CHECK (accepted_at IS NULL)")
    conn.execute("ALTER TABLE processed_events ATTACH PARTITION before DEFAULT")
    for name, low, high in (("a", "2026-01-01", "2026-02-01"), ("b", "2026-02-01", "2026-03-01")):
        conn.execute(
            f"CREATE TABLE {name} PARTITION OF processed_events FOR VALUES FROM ('{low}') TO ('{high}')".encode()
        )
    _follow(conn, _schema())
    conn.execute(
        "INSERT INTO processed_events SELECT 2, gen_random_uuid(), 'sold', 'purchase', NULL, '{\"price\": 2}', now(),"
        " now(), 0, 0, timestamptz '2026-02-03'"
    )
    query = "SELECT sum(price) FROM etld.event_purchase WHERE accepted_at >= '2026-02-02'"
    plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN {query}".encode()))
    assert "on b " in plan
    assert "on a " not in plan
    assert conn.execute(query.encode()).fetchone() == (3.0,)
    first = conn.execute("SELECT accepted_at = processed_at FROM etld.event_purchase WHERE event_id = %s", (old,))
    assert first.fetchone() == (True,)
    conn.execute("ALTER TABLE processed_events DETACH PARTITION before")
    _follow(conn, _schema())
    assert conn.execute("SELECT pg_get_viewdef('etld.event_purchase') LIKE '%%UNION%%'").fetchone() == (False,)
