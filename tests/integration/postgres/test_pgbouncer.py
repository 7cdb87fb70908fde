"""Everything through PgBouncer in transaction mode, where each transaction may have another session."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from etld.postgres import migrate
from etld.postgres.connections import PooledConnection, connect
from etld.postgres.pool import Pool
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.pgbouncer import PgBouncer, missing
from support.steady import steady
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

#: The last migration of a version that had event ids as text.
BEFORE_IDS = 8


@pytest.fixture
def bouncer(database: str) -> Iterator[PgBouncer]:
    """Before an empty database, whose role has odd settings of its own."""
    role = f"pooled_{uuid.uuid4().hex[:6]}"
    given = psycopg.conninfo.conninfo_to_dict(database)
    with psycopg.connect(database, autocommit=True) as conn:
        for one in (
            f"CREATE ROLE {role} LOGIN PASSWORD 'pw'",
            f'GRANT ALL ON DATABASE "{given["dbname"]}" TO {role}',
            f"GRANT ALL ON SCHEMA public TO {role}",
            f"ALTER ROLE {role} SET DateStyle TO German",
            f"ALTER ROLE {role} SET search_path TO nowhere",
            f"ALTER ROLE {role} SET array_nulls TO off",
        ):
            conn.execute(one.encode())
    made = PgBouncer(f"postgresql://{role}:pw@{given['host']}:{given['port']}/{given['dbname']}", pool_size=3)
    made.start()
    yield made
    made.close()


def test_each_transaction_has_the_settings(bouncer: PgBouncer) -> None:
    """Also a statement that stands alone, and whoever comes after has nothing of them."""
    with (
        connect(bouncer.dsn, application_name="etld test", pooled=True, statement_timeout=7) as conn,
        psycopg.connect(bouncer.dsn, autocommit=True, prepare_threshold=None) as other,
        Pool(bouncer.dsn, application_name="etld test", pooled=True, queue=True) as pool,
    ):
        assert isinstance(conn, PooledConnection)
        for _ in range(10):
            asked = "SELECT current_setting('statement_timeout'), %s::text[], now()"
            row = conn.execute(asked, (["a", None],)).fetchone()
            assert row is not None
            assert row[:2] == ("7s", ["a", None])
            assert other.execute("SHOW statement_timeout").fetchone() != ("7s",)
            with conn.transaction(), conn.transaction():
                assert conn.execute("SHOW search_path").fetchone() == ("public",)
            with pool.connection() as pooled:
                assert pooled.execute("SHOW plan_cache_mode").fetchone() == ("force_custom_plan",)


def test_the_whole_way_through_pgbouncer(bouncer: PgBouncer, database: str, make_daemon: Callable[[], Daemon]) -> None:
    """Rows, duplicates, letters, summaries, the commands, an upgrade, and a PgBouncer that goes and comes back."""
    made = make_daemon()
    made.configure({"postgres.dsn": bouncer.dsn, "postgres.pooler": "transaction"})
    old_letter = as_an_old_version_left_it(bouncer)
    with made.running():
        etld = EtldClient(made)
        etld.dsn = database
        assert old_letter in made.cli("dlq", "show", old_letter).stdout
        etld.sql("DELETE FROM etld.dead_letter WHERE event_id_text = %s OR event_id::text = %s", old_letter, old_letter)
        parked = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
        repaired = {**purchase(price="12.5"), "event_id": str(uuid.uuid4())}
        good = [{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(50)]
        good += [{**event(kind), "event_id": str(uuid.uuid4())} for kind in ("order", "delivery") for _ in range(10)]
        etld.send([*good, good[0], good[1], parked, repaired])
        etld.send([good[0], good[-1]])
        etld.letter(parked["event_id"], "parked")
        etld.letter(repaired["event_id"], "resolved")
        wait_until(lambda: rows(etld) == 71, 60, "71 rows")
        assert "parked" in made.cli("dlq", "list").stdout
        assert made.cli("dlq", "replay", parked["event_id"], "--set", "event_details.price=3", "--yes").returncode == 0
        wait_until(lambda: etld.price(parked["event_id"]) == 3, 40, "the replay is stored")
        assert made.json("trace", good[0]["event_id"])["stored"]
        goes_and_comes_back(made, etld, bouncer)
        told = made.json("reconcile", "--wait", "60")
        assert (told["ok"], told["differences"]) == (True, [])
        assert [one["equal"] for one in told["summaries"]] == [True] * 3
        by_direct_dsn(made, etld, bouncer)


def rows(etld: EtldClient) -> int:
    """In a database and a broker of the test's own."""
    return int(etld.sql("SELECT count(*) FROM processed_events")[0][0])


def goes_and_comes_back(made: Daemon, etld: EtldClient, bouncer: PgBouncer) -> None:
    """Again and again under load: no worker goes with it, no event is refused, none is lost or stored twice."""
    before = rows(etld)
    pids = {one["name"]: one["pid"] for one in made.status()["workers"]}
    with steady(made.http, 100) as sent:
        for how in (signal.SIGKILL, signal.SIGINT):
            here = rows(etld)
            wait_until(lambda here=here: rows(etld) > here + 20, 60, "events flow")
            bouncer.stop(how)
            time.sleep(1)
            bouncer.start()
    assert sent.failures == {}
    wait_until(lambda: rows(etld) == before + sent.accepted, 60, "every event is a row")
    wait_until(lambda: made.status()["state"] == "ready", 30, "all is well again")
    assert pids == {one["name"]: one["pid"] for one in made.status()["workers"]}


def as_an_old_version_left_it(bouncer: PgBouncer) -> str:
    """Make the tables of one that had event ids as text, and a dead letter; its event's id."""
    event_id = str(uuid.uuid4())
    with connect(bouncer.server, application_name="test") as conn:
        conn.execute("CREATE SCHEMA etld")
        conn.execute("CREATE TABLE etld.migration (number integer PRIMARY KEY, name text, applied_at timestamptz)")
        for number, name, text in migrate.available():
            if number <= BEFORE_IDS:
                conn.execute(text.encode())
                conn.execute("INSERT INTO etld.migration (number, name) VALUES (%s, %s)", (number, name))
        conn.execute(
            "INSERT INTO etld.dead_letter (id, event_id, state, stage, error_class, error)"
            " VALUES (%s, %s, 'discarded', 'S', 'C', 'e')",
            (str(uuid.uuid4()), event_id),
        )
    return event_id


def by_direct_dsn(made: Daemon, etld: EtldClient, bouncer: PgBouncer) -> None:
    """What needs a session (an index beside the work) is left out without it, and told; with it, it is made."""
    state = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('etld.dead_letter_event')"
    wait_until(lambda: "postgres.direct_dsn" in made.logs(1000), 30, "the log says what it would need")
    assert etld.sql(state) == []
    assert made.cli("config", "check").returncode == 0
    made.configure({"postgres.direct_dsn": bouncer.server})
    making = (
        "SELECT application_name, client_port FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY dead_letter_event%'"
    )
    with psycopg.connect(etld.dsn) as holding:  # the index waits for this transaction to end
        holding.execute("LOCK TABLE etld.dead_letter IN ROW EXCLUSIVE MODE")
        made.cli("reload")
        ((name, port),) = wait_until(lambda: etld.sql(making), 60, "the index is being made")
        assert name == "etld corrector-0 repairs"
        pooled = {one["local_port"] for one in bouncer.console("SHOW SERVERS")}
        assert pooled
        assert port not in pooled
    wait_until(lambda: etld.sql(state) == [(True,)], 30, "the index is made")
