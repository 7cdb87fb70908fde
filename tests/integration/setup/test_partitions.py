"""processed_events becomes a partitioned table, with all that others made of it, or stays as it is and says why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from etld.postgres import connections
from etld.postgres.connections import Connection
from etld.postgres.migrate import migrate
from etld.sinks.postgres.partitions import catalog, takeover

pytestmark = pytest.mark.integration

_COLUMNS = "event_id, event_name, event_type, user_details, triggered_at, kafka_partition, kafka_offset"
_OLD_ROWS = (
    f"INSERT INTO public.processed_events ({_COLUMNS})"
    " SELECT gen_random_uuid(), 'added_to_cart', 'purchase', '{\"user_id\": 7}', now(), 0, n"
    " FROM generate_series(0, %s) n"
)
_NEW_ROW = (
    f"INSERT INTO public.processed_events ({_COLUMNS}, accepted_at)"
    " VALUES (gen_random_uuid(), 'added_to_cart', 'purchase', '{\"user_id\": 8}', now(), 0, %s, %s)"
    " RETURNING tableoid::regclass::text, id, user_id, note"
)
#: What a user may have made of the table.
_MADE = """
CREATE ROLE analyst;
ALTER TABLE public.processed_events
    ADD COLUMN note text DEFAULT 'none',
    ADD COLUMN user_id bigint GENERATED ALWAYS AS ((user_details ->> 'user_id')::bigint) STORED,
    ADD CONSTRAINT no_negative CHECK (kafka_offset >= 0);
CREATE INDEX by_user ON public.processed_events (user_id, triggered_at);
CREATE UNIQUE INDEX by_place ON public.processed_events (event_type, kafka_partition, kafka_offset);
CREATE VIEW public.names AS SELECT event_name, user_id FROM public.processed_events;
CREATE VIEW public.counts AS SELECT event_name, count(*) FROM public.names GROUP BY 1;
COMMENT ON VIEW public.names IS 'by name';
GRANT SELECT, INSERT ON public.processed_events, public.names TO analyst;
GRANT UPDATE (note) ON public.processed_events TO analyst;
COMMENT ON TABLE public.processed_events IS 'every event';
COMMENT ON COLUMN public.processed_events.note IS 'by hand';
CREATE TABLE public.log (what text);
GRANT INSERT ON public.log TO analyst;
CREATE FUNCTION public.on_row() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.note := 'seen'; RETURN NEW; END $$;
CREATE FUNCTION public.on_statement() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO public.log VALUES ('statement'); RETURN NULL; END $$;
CREATE TRIGGER of_row BEFORE INSERT ON public.processed_events FOR EACH ROW EXECUTE FUNCTION public.on_row();
CREATE TRIGGER of_statement AFTER INSERT ON public.processed_events EXECUTE FUNCTION public.on_statement();
CREATE TRIGGER switched_off BEFORE INSERT ON public.processed_events FOR EACH ROW EXECUTE FUNCTION public.on_row();
ALTER TABLE public.processed_events DISABLE TRIGGER switched_off;
"""


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database at the last migration, whose table has no partitions yet."""
    with connections.connect(database, application_name="test", statement_timeout=0.0) as made:
        migrate(made)
        yield made
        made.execute("DROP OWNED BY analyst; DROP ROLE analyst" if _there(made, "analyst") else "SELECT 1")


def _there(conn: Connection, role: str) -> bool:
    return conn.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def _all(conn: Connection, query: str) -> list[Any]:
    return conn.execute(query.encode()).fetchall()


def test_all_that_was_made_of_the_table_lives_on(conn: Connection) -> None:
    conn.execute(_MADE)
    conn.execute(_OLD_ROWS, (999,))
    assert takeover.ensure(conn, "month") is None
    now = dt.datetime.now(dt.UTC)
    before, first, *_ = catalog.read(conn)
    assert (before.lower, first.lower) == (None, before.upper)
    # An earlier version writes no accepted_at, and what is late belongs to the old table too.
    for offset, accepted, leaf in [(1000, None, before), (1001, now, before), (1002, first.upper, None)]:
        (row,) = conn.execute(_NEW_ROW, (offset, accepted)).fetchall()
        assert row[1:] == (offset + 1, 8, "seen")
        assert leaf is None or row[0] == f"etld.{leaf.name}"
    assert _all(conn, "SELECT count(*) FROM public.log") == [(4,)]
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(_NEW_ROW, (1002, first.upper))
    with pytest.raises(psycopg.errors.CheckViolation, match="no_negative"):
        conn.execute(_NEW_ROW, (-1, first.upper))
    assert _all(conn, "SELECT * FROM public.counts") == [("added_to_cart", 1003)]
    assert _all(conn, "SELECT obj_description('public.names'::regclass), col_description(c.oid, a.attnum),"
        " obj_description(c.oid) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'note'"
        " WHERE c.oid = 'public.processed_events'::regclass") == [("by name", "by hand", "every event")]  # fmt: skip
    conn.execute("SET ROLE analyst")
    assert _all(conn, "SELECT count(*) FROM public.processed_events") == [(1003,)]
    assert _all(conn, "SELECT count(*) FROM public.names") == [(1003,)]
    conn.execute("UPDATE public.processed_events SET note = 'x' WHERE false")
    (row,) = conn.execute(_NEW_ROW, (1003, now)).fetchall()
    assert row[1] > 1003
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("DELETE FROM public.processed_events")
    conn.execute("RESET ROLE")
    assert takeover.ensure(conn, "month") is None
    assert [leaf.name for leaf in catalog.read(conn)][:2] == [before.name, first.name]


@pytest.mark.parametrize("rows", [0, 10])
def test_what_is_in_the_way_is_named_and_everything_stays(conn: Connection, rows: int) -> None:
    conn.execute("CREATE TABLE public.child (event_id uuid REFERENCES public.processed_events (event_id))")
    conn.execute("CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) FROM public.processed_events")
    conn.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    conn.execute(_OLD_ROWS, (rows - 1,))
    reason = takeover.ensure(conn, "day")
    assert reason is not None
    assert reason == catalog.refusal(conn)
    for word in ("foreign key child_event_id_fkey of child", "materialized view counted", "publication everything"):
        assert word in reason
    assert not catalog.is_partitioned(conn)
    # It works on, and what has come since, with its time, is taken over as soon as nothing is in the way.
    conn.execute(_NEW_ROW.replace(", user_id, note", ""), (rows, dt.datetime.now(dt.UTC)))
    conn.execute("DROP TABLE public.child")
    conn.execute("DROP MATERIALIZED VIEW public.counted")
    conn.execute("DROP PUBLICATION everything")
    assert takeover.ensure(conn, "day") is None
    assert catalog.refusal(conn) is None
    assert _all(conn, "SELECT count(*) FROM public.processed_events") == [(rows + 1,)]


def test_what_postgresql_refuses_undoes_the_attempt(conn: Connection) -> None:
    """A row trigger with transition tables has no place in a partitioned table; rows of all times are taken after."""
    conn.execute(_OLD_ROWS, (9,))
    conn.execute(
        "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER seen AFTER INSERT ON public.processed_events REFERENCING NEW TABLE AS fresh"
        " FOR EACH ROW EXECUTE FUNCTION public.nothing()"
    )
    reason = takeover.ensure(conn, "week")
    assert reason is not None
    assert "PostgreSQL says:" in reason
    assert "transition tables" in reason
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=400)
    conn.execute(_NEW_ROW.replace(", user_id, note", ""), (10, later))


def test_an_empty_table_is_replaced(conn: Connection) -> None:
    """The first partition holds all that came before, and a day's name is the day that it begins with."""
    assert takeover.ensure(conn, "day") is None
    first, second, *more = catalog.read(conn)
    assert first.lower is None
    assert second.name == f"processed_events_{first.upper:%Y%m%d}"
    assert more[-1].upper >= dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
    (row,) = conn.execute(
        _NEW_ROW.replace(", user_id, note", ""), (0, dt.datetime(1999, 1, 1, tzinfo=dt.UTC))
    ).fetchall()
    assert row == (f"etld.{first.name}", 1)
    assert takeover.ensure(conn, "month") is None
    ends = [leaf.upper for leaf in catalog.read(conn)]
    assert [end.day for end in ends[len(more) + 2 :]] == [1] * (len(ends) - len(more) - 2)


def test_a_lock_that_is_held_delays_it_only(conn: Connection, database: str) -> None:
    conn.execute(_OLD_ROWS, (9,))
    with psycopg.connect(database) as reader:
        reader.execute("SELECT count(*) FROM public.processed_events")

        def end(_: float) -> None:
            reader.rollback()

        assert takeover.ensure(conn, "month", end) is None
    assert catalog.is_partitioned(conn)
