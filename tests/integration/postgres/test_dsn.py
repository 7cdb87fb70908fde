"""Addresses as people write them, up to a real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from etld.postgres.connections import Connection, connect
from etld.util.ports import LOOPBACK
from support import shared_broker
from support.daemon import Daemon

pytestmark = pytest.mark.integration


def setting(conn: Connection, name: str) -> str:
    (found,) = conn.execute("SELECT current_setting(%s)", (name,)).fetchone() or ("",)
    return str(found)


def test_what_etld_sets_too_may_stand_in_it(database: str) -> None:
    """Of several hosts, the first of which is dead; with the user's options beside etld's."""
    there = conninfo_to_dict(database)
    given = {
        **there,
        "host": f"127.0.0.1,{there['host']}",
        "port": f"1,{there['port']}",
        "connect_timeout": "3",
        "application_name": "orders",
        "options": "-c jit=off -c search_path=pg_catalog",
        "target_session_attrs": "read-write",
        "tcp_user_timeout": "7000",
        "keepalives_idle": "9",
        "client_encoding": "LATIN1",
        "sslmode": "prefer",
        "fallback_application_name": "other",
    }
    with connect(make_conninfo(**given), application_name="etld test") as conn:
        assert setting(conn, "application_name") == "etld test (orders)"
        assert (setting(conn, "jit"), setting(conn, "search_path")) == ("off", "public")
        assert setting(conn, "client_encoding") == "UTF8"
        reached = conn.info.get_parameters()
    assert (reached["tcp_user_timeout"], reached["keepalives_idle"]) == ("7000", "9")
    assert reached["connect_timeout"] == "3"


def test_a_dark_server_is_waited_for_once(database: str) -> None:
    """The first of two takes connections and says nothing: after one wait the second is asked first."""
    there = conninfo_to_dict(database)
    with socket.create_server((LOOPBACK, 0)) as dark:
        servers = {"host": f"{LOOPBACK},{there['host']}", "port": f"{dark.getsockname()[1]},{there['port']}"}
        took = []
        for _ in range(3):
            began = time.monotonic()
            with connect(make_conninfo(**{**there, **servers}, connect_timeout=2), application_name="etld test"):
                took.append(time.monotonic() - began)
    assert took[0] > 1.5
    assert max(took[1:]) < 1.0


def test_a_service_and_the_environment(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the DSN names has the password, whatever stands in PGPASSWORD; PGOPTIONS counts."""
    there = conninfo_to_dict(database)
    passfile = there.pop("passfile")
    (tmp_path / "services").write_text("[orders]\n" + "".join(f"{name}={value}\n" for name, value in there.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSWORD", "wrong")
    monkeypatch.setenv("PGOPTIONS", "-c jit=off -c datestyle=german")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "1000")
    monkeypatch.setenv("PGAPPNAME", "other")
    with connect(f"service=orders passfile='{passfile}'", application_name="etld test") as conn:
        assert (setting(conn, "jit"), setting(conn, "datestyle")) == ("off", "ISO, DMY")
        assert setting(conn, "application_name") == "etld test"


def test_the_embedded_server_hears_of_no_other(make_daemon: Callable[[], Daemon]) -> None:
    """Whatever the shell has set for the servers of others, also for commands that look for themselves."""
    daemon = make_daemon()
    wrong = {"PGPASSWORD": "wrong", "PGSSLMODE": "require", "PGHOSTADDR": "127.0.0.9", "PGSERVICE": "none"}
    daemon.env.update(wrong)
    with daemon.running():
        assert daemon.status()["state"] == "ready"
        assert daemon.cli("dlq", "stats").returncode == 0
        assert "1 row" in daemon.cli("psql", "--builtin", "-c", "SELECT 1").stdout


def test_relative_paths_of_a_daemon_that_is_started_elsewhere(
    make_daemon: Callable[[], Daemon], kafka: str, database: str, tmp_path: Path
) -> None:
    """Those of the DSN begin where the configuration's do, those of variables where it is started; for the CLI too."""
    there = conninfo_to_dict(database)
    daemon = make_daemon()
    (daemon.directory / "pg.pass").write_bytes(Path(there.pop("passfile")).read_bytes())
    (daemon.directory / "pg.pass").chmod(0o600)
    services = "[orders]\n" + "".join(f"{name}={value}\n" for name, value in there.items())
    (tmp_path / "services").write_text(services)
    (daemon.directory / "services").write_text(services)
    daemon.configure({**shared_broker.settings(kafka), "postgres.dsn": "service=orders passfile=pg.pass"})
    daemon.env["PGSERVICEFILE"] = "services"
    daemon.started_in = tmp_path
    with daemon.running():
        assert daemon.status()["state"] == "ready"
        assert "1 row" in daemon.cli("psql", "--builtin", "-c", "SELECT 1").stdout
        assert daemon.json("dlq", "stats")
        daemon.stop()
        assert daemon.json("reconcile", "--wait", "120")["ok"]
