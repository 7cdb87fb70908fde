"""Everything through PgBouncer in transaction mode, where each transaction may have another session."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest

from etld.postgres.connections import PooledConnection, connect
from etld.postgres.pool import Pool
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.pgbouncer import PgBouncer, missing
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


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
    """Rows, duplicates, letters, summaries, the commands, and a PgBouncer that goes and comes back."""
    made = make_daemon()
    changes = {"postgres.dsn": bouncer.dsn, "postgres.pooler": "transaction"}
    made.configure(changes)
    with made.running():
        etld = EtldClient(made)
        etld.dsn = database
        base = etld.sql("SELECT count(*) FROM processed_events")[0][0]
        parked = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
        repaired = {**purchase(price="12.5"), "event_id": str(uuid.uuid4())}
        good = [{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(50)]
        good += [{**event(kind), "event_id": str(uuid.uuid4())} for kind in ("order", "delivery") for _ in range(10)]
        etld.send([*good, good[0], good[1], parked, repaired])
        etld.send([good[0], good[-1]])
        etld.letter(parked["event_id"], "parked")
        etld.letter(repaired["event_id"], "resolved")
        wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(base + 71,)], 60, "71 rows")
        told = made.json("reconcile", "--wait", "60", check=False)
        assert told["summaries"]
        assert all(one["equal"] for one in told["summaries"])
        assert "parked" in made.cli("dlq", "list").stdout
        assert made.cli("dlq", "replay", parked["event_id"], "--set", "event_details.price=3", "--yes").returncode == 0
        wait_until(lambda: etld.price(parked["event_id"]) == 3, 40, "the replay is stored")
        assert made.json("trace", good[0]["event_id"])["stored"]
        pids = {one["name"]: one["pid"] for one in made.status()["workers"]}
        bouncer.stop()
        late = [{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(50)]
        etld.send(late)
        bouncer.start()
        wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(base + 122,)], 60, "the late ones")
        wait_until(lambda: made.status()["state"] == "ready", 30, "all is well again")
        assert pids == {one["name"]: one["pid"] for one in made.status()["workers"]}
