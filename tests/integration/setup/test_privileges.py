"""Roles made by hand: what is missing is told in one line at once, and what it says is enough."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from support import shared_broker
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

# Two seconds, and those that a busy machine takes to start Python. A second attempt would come later still.
_WITHIN = 30.0


class Place:
    """An empty database, roles in it, and a daemon that is to use them."""

    def __init__(self, database: str, daemon: Daemon) -> None:
        self.admin, self.daemon = database, daemon
        self.name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
        self.suffix = uuid.uuid4().hex[:6]
        self.sql(f'REVOKE ALL ON DATABASE "{self.name}" FROM PUBLIC', "REVOKE ALL ON SCHEMA public FROM PUBLIC")

    def sql(self, *each: str) -> None:
        """As a superuser."""
        with psycopg.connect(self.admin, autocommit=True) as conn:
            for one in each:
                conn.execute(one.encode())

    def role(self, name: str) -> str:
        """A new role that may connect, and no more; its DSN."""
        role = f"{name}_{self.suffix}"
        self.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'", f'GRANT CONNECT ON DATABASE "{self.name}" TO {role}')
        parts = urlsplit(self.admin)
        return f"postgresql://{role}:pw@{parts.hostname}:{parts.port}/{self.name}"

    def failed(self, **postgres: str) -> str:
        """What `etld start` says, in one line, when set-up ends for good."""
        self.daemon.configure({f"postgres.{key}": value for key, value in postgres.items()})
        for path in self.daemon.state_dir.joinpath("log").glob("*.log"):
            path.unlink()
        began = time.monotonic()
        done = self.daemon.cli("start", check=False, timeout=60)
        took = time.monotonic() - began
        said = done.stdout + done.stderr
        print(took, said, self.daemon.logs(2000))
        assert done.returncode == 1
        assert took < _WITHIN
        everything = said + self.daemon.logs(2000)
        for never in ("Traceback", "mistake in", "attempt 2", "pw@"):
            assert never not in everything
        (line,) = [one for one in said.splitlines() if "setup" in one]
        return line


@pytest.fixture
def place(database: str, kafka: str, make_daemon: Callable[[], Daemon]) -> Iterator[Place]:
    """A daemon of its own for each test."""
    made = make_daemon()
    made.configure(shared_broker.settings(kafka))
    place = Place(database, made)
    yield place
    made.stop()


def works(place: Place) -> None:
    """The whole way: rows, a letter, summaries."""
    place.daemon.start()
    etld = EtldClient(place.daemon)
    etld.dsn = place.admin
    good = [{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(10)]
    good += [{**event(kind), "event_id": str(uuid.uuid4())} for kind in ("order", "delivery")]
    parked = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
    etld.send([*good, good[0], parked])
    etld.letter(parked["event_id"], "parked")
    wait_until(lambda: etld.stored(*(one["event_id"] for one in good)) == len(good), 60)
    wait_until(lambda: etld.sql("SELECT count(*) FROM etld.summary_purchase") != [(0,)], 30)
    assert place.daemon.status()["state"] == "ready", place.daemon.status()
    place.daemon.stop()


def test_the_grants_that_it_names_are_enough(place: Place) -> None:
    """Line by line, as a person would, until etld works."""
    dsn = place.role("etld")
    said = place.failed(dsn=dsn)
    grants = re.findall(r"(?:GRANT|ALTER TABLE) [^;]*", said)
    assert sorted(one.split(" ON ")[0] for one in grants) == [
        "GRANT CREATE",
        "GRANT TEMPORARY",
        "GRANT USAGE",
        "GRANT USAGE, CREATE",
    ]
    place.sql(*grants)
    works(place)


def test_what_the_command_prints_is_enough(place: Place) -> None:
    """And no more than is needed."""
    dsn = place.role("etld")
    place.daemon.configure({"postgres.dsn": dsn})
    place.sql(place.daemon.cli("database", "grants").stdout)
    works(place)
    place.sql(f"REVOKE INSERT ON etld.dead_letter FROM etld_{place.suffix}")
    said = place.failed(dsn=dsn)
    assert said.endswith(f"GRANT INSERT ON etld.dead_letter TO etld_{place.suffix}; (ETLD-P002)")


def test_another_user_migrates(place: Place) -> None:
    """Who may make tables; the daemon's may not."""
    owner, dsn = place.role("owner"), place.role("etld")
    place.sql(f"GRANT etld_{place.suffix} TO owner_{place.suffix}")
    place.daemon.configure({"postgres.dsn": dsn, "postgres.migration_dsn": owner})
    place.sql(place.daemon.cli("database", "grants").stdout)
    works(place)
    with psycopg.connect(dsn) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("CREATE TABLE public.mine ()")
    with psycopg.connect(dsn) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE public.processed_events SET event_name = ''")
    # A superuser may migrate without being a member.
    works(place)


def test_who_is_not_let_in_is_named(place: Place) -> None:
    """A wrong password, a role and a database that are not there."""
    dsn = place.role("etld")
    user = f"etld_{place.suffix}"
    assert f"user {user}" in place.failed(dsn=dsn.replace(":pw@", ":wrong@"))
    assert "user nobody" in place.failed(dsn=dsn.replace(user, "nobody"))
    assert "nowhere" in place.failed(dsn=dsn.replace(place.name, "nowhere"))
    place.sql(f'REVOKE CONNECT ON DATABASE "{place.name}" FROM {user}')
    assert "CONNECT" in place.failed(dsn=dsn)


def test_a_server_that_is_too_old_is_named(place: Place) -> None:
    """Before anything is asked of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_old_server, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        said = place.failed(dsn=f"postgresql://etld:pw@127.0.0.1:{port}/etld")
    assert "PostgreSQL 14.9 at " in said
    assert "etld needs 15 or newer" in said


def _old_server(server: socket.socket) -> None:
    """Let everybody in, as PostgreSQL 14.9 would; answer every query with nothing.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + (len(body) + 4).to_bytes(4) + body

    idle = message(b"Z", b"I")
    with contextlib.suppress(OSError):
        while True:
            link, _ = server.accept()
            while (first := link.recv(10_000))[4:8] != (3 << 16).to_bytes(4) and first:
                link.sendall(b"N")
            version = message(b"S", b"server_version\0" + b"14.9\0")
            link.sendall(message(b"R", bytes(4)) + version + message(b"S", b"client_encoding\0UTF8\0") + idle)
            while asked := link.recv(10_000):
                if asked[:1] == b"Q":
                    link.sendall(message(b"I", b"") + idle)


def test_readers_read_what_they_may(place: Place) -> None:
    """Events, views and summaries, also those that are made later; no dead letter, position or id."""
    dsn, reader = place.role("etld"), f"etld_reader_{place.suffix}"
    place.daemon.configure({"postgres.dsn": dsn})
    place.sql(place.daemon.cli("database", "grants").stdout)
    # The role is not there, and the daemon's own may make none.
    said = place.failed(dsn=dsn, reader_role=reader)
    assert f"CREATE ROLE {reader} NOLOGIN" in said
    assert f"GRANT USAGE ON SCHEMA public TO {reader}" in said
    printed = place.daemon.cli("database", "grants").stdout
    place.sql(printed)
    place.sql(f"CREATE ROLE anna_{place.suffix} LOGIN PASSWORD 'pw' IN ROLE {reader}")
    anna = dsn.replace(f"etld_{place.suffix}", f"anna_{place.suffix}")
    place.daemon.start()
    wait_until(lambda: _readable(anna) >= {"summary_purchase", "summary_order", "summary_delivery"}, 60)
    views = {f"event_{kind}" for kind in ("purchase", "order", "delivery")}
    summaries = {"summary_purchase", "summary_order", "summary_delivery"}
    told = {"freshness", "dead_letters_by_reason", "last_reconcile"}
    assert _readable(anna) == {"processed_events", *views, *summaries, *told}
    with psycopg.connect(anna) as conn:
        assert conn.execute("SELECT count(*) FROM etld.event_purchase WHERE repaired").fetchone() == (0,)
    with psycopg.connect(anna) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT count(*) FROM etld.dead_letter")
    # A summary and a view that are made anew, and a summary that is new.
    place.daemon.configure(
        {
            "summaries.purchase.group_by": {"item": "event_details.item_name"},
            "summaries.purchase.chart": {
                "name": "p", "title": "p", "panels": [{"kind": "line", "value": "events"}],
            },
            "summaries.more": {"event_types": ["order"], "measures": {"n": "count"}},
        }
    )  # fmt: skip
    place.daemon.cli("reload")
    wait_until(lambda: "summary_more" in _readable(anna), 60)
    assert _readable(anna) == {"processed_events", "summary_more", *views, *summaries, *told}
    place.daemon.stop()


def _readable(dsn: str) -> set[str]:
    """What a role may read in the schemas of etld."""
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(
            "SELECT c.relname::text FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition"
            " AND c.relnamespace::regnamespace::text IN ('etld', 'public') AND has_table_privilege(c.oid, 'SELECT')"
        )
        return {name for (name,) in rows.fetchall()}
