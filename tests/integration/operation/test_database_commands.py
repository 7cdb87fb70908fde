"""`etld database dump` and `restore`, with event types that are new meanwhile; and of a server elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from support.cluster import Cluster
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def sent(daemon: Daemon, *arguments: str) -> dict[str, int]:
    """Send sample events; how many of each type are to be stored."""
    told = daemon.json("generate", *arguments)
    return {name: int(number) for name, number in told["by_event_type"].items()}


def rows(etld: EtldClient) -> dict[str, int]:
    """Rows by event type."""
    return dict(etld.sql("SELECT event_type, count(*) FROM processed_events GROUP BY 1"))


def added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """Both numbers together."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def settled(etld: EtldClient) -> bool:
    """Is every letter stored or parked?"""
    return set(etld.states()) <= {"resolved", "parked"}


def reconciled(daemon: Daemon) -> None:
    """All accounts agree, soon."""
    wait_until(lambda: daemon.cli("reconcile", check=False).returncode == 0, 60, "reconcile is content")


def test_what_came_after_the_dump_is_read_again(  # noqa: PLR0915  # one story
    make_daemon: Callable[[], Daemon],
) -> None:
    """Rows, summaries, letters and schemas: once, and all accounts agree; then on a machine whose database is lost."""
    daemon = make_daemon()
    with daemon.running():
        etld = EtldClient(daemon)
        daemon.cli("new-type", "refund", "--fields", "order_id:long,amount:double?,note:string")
        daemon.cli("reload")
        wanted = sent(daemon, "--count", "200", "--event-type", "refund", "--event-type", "purchase")
        wait_until(lambda: rows(etld) == wanted, 60, "all is stored")
        summed = "SELECT sum(events) FROM etld.summary_refund"
        wait_until(lambda: etld.sql(summed) == [(wanted["refund"],)], 30, "the new summary counts them")
        picture = daemon.directory / "event_summary_charts" / "refund_summary_latest.png"
        wait_until(picture.exists, 30, "its chart is drawn")
        assert "wrote" in daemon.cli("database", "dump", "first.dump").stdout
        assert (daemon.directory / "first.dump").stat().st_mode & 0o777 == 0o600
        assert "first.dump is there already" in daemon.cli("database", "dump", "first.dump", check=False).stderr

        # A schema that the dump does not know, and letters.
        daemon.cli("new-type", "later")
        daemon.cli("reload")
        schema = daemon.directory / "schemas" / "later.avsc"
        field = '        {"name": "more", "type": ["null", "string"], "default": null},'
        schema.write_text(schema.read_text().replace('        {"name": "item"', f'{field}\n        {{"name": "item"'))
        daemon.cli("reload")
        wanted = added(wanted, sent(daemon, "--count", "300"))
        assert wanted["later"] > 0
        wait_until(lambda: rows(etld) == wanted, 60, "all is stored")
        daemon.cli("generate", "--count", "20", "--invalid", "20")
        wait_until(lambda: sum(etld.states().values()) == 20 and settled(etld), 60, "each letter has its end")
        letters, wanted = etld.states(), rows(etld)
        refused = daemon.cli("database", "restore", "first.dump", "--force", check=False)
        assert (refused.returncode, "`etld stop` first" in refused.stderr) == (1, True)

        daemon.cli("stop")
        refused = daemon.cli("database", "restore", "first.dump", check=False)
        assert refused.returncode == 1
        assert "the database is not empty: it holds public.processed_events, etld." in refused.stderr
        (daemon.directory / "torn.dump").write_bytes((daemon.directory / "first.dump").read_bytes()[:-5000])
        refused = daemon.cli("database", "restore", "torn.dump", "--force", check=False)
        assert (refused.returncode, "nothing was changed" in refused.stderr) == (1, True)
        refused = daemon.cli("database", "restore", "config/etld.toml", "--force", check=False)
        assert (refused.returncode, "cannot be restored" in refused.stderr) == (1, True)
        daemon.cli("database", "dump", "second.dump")  # as it was, with no daemon
        assert "`etld start`" in daemon.cli("database", "restore", "first.dump", "--force").stdout
        daemon.start()
        wait_until(lambda: rows(etld) == wanted and etld.states() == letters, 90, "all is there again")
        reconciled(daemon)
        assert etld.sql(summed) == [(wanted["refund"],)]

        daemon.cli("stop")
        shutil.rmtree(daemon.state_dir / "postgres")
        daemon.cli("database", "restore", "second.dump")
        daemon.start()
        more = sent(daemon, "--count", "40")
        wanted = added(wanted, more)
        wait_until(lambda: rows(etld) == wanted, 60, "it goes on")
        reconciled(daemon)


@pytest.fixture
def elsewhere(cluster: Cluster, make_daemon: Callable[[], Daemon]) -> Iterator[tuple[Daemon, str]]:
    """A daemon, not started, of a database of its own whose user has a password in the DSN; and the owner's DSN."""
    with cluster.database() as owner, connect(owner, application_name="test") as conn:
        migrate(conn)
        name = conn.info.dbname
        conn.execute("CREATE ROLE dumper LOGIN SUPERUSER PASSWORD 'very-secret'")
        daemon = make_daemon()
        daemon.configure({"postgres.dsn": f"postgresql://dumper:very-secret@127.0.0.1:{conn.info.port}/{name}"})
        try:
            yield daemon, owner
        finally:
            conn.execute("DROP OWNED BY dumper CASCADE")  # a restore has made them its user's
            conn.execute("DROP ROLE dumper")


@contextmanager
def watched(words: str) -> Iterator[set[str]]:
    """The programs whose arguments have these words, while the block runs; and "pg_dump" and others that were seen."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    given = path.read_bytes().split(b"\0")
                except OSError:
                    continue
                name = Path(given[0].decode(errors="replace")).name
                if any(words.encode() in one for one in given[1:]):
                    seen.add(f"{name} tells")
                elif name.startswith(("pg_dump", "psql")):
                    seen.add(name)
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def counted(owner: str) -> Any:
    """How many rows the other table of the database has."""
    with psycopg.connect(owner) as conn:
        return conn.execute("SELECT count(*) FROM another").fetchone()


def test_a_server_elsewhere(elsewhere: tuple[Daemon, str]) -> None:
    """No password in any program's arguments; whole or not at all; not while another daemon beats."""
    daemon, owner = elsewhere
    with psycopg.connect(owner, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.another AS SELECT 1 AS a")
        conn.execute("CREATE ROLE somebody")
        conn.execute("GRANT SELECT ON etld.counted_event TO somebody")
        with watched("very-secret") as seen:
            daemon.cli("database", "dump", "a.dump")
            conn.execute("TRUNCATE another")
            conn.execute("CREATE VIEW public.of_ours AS SELECT * FROM etld.counted_event")
            daemon.cli("database", "restore", "a.dump", "--force")
        assert seen == {"pg_dump", "psql"}
        assert counted(owner) == (1,)

        conn.execute("TRUNCATE another")
        conn.execute("DROP OWNED BY somebody")
        conn.execute("DROP ROLE somebody")
        refused = daemon.cli("database", "restore", "a.dump", "--force", check=False)
        assert refused.returncode == 1
        assert 'role "somebody" does not exist; --no-privileges leaves grants out' in refused.stderr
        assert counted(owner) == (0,)
        daemon.cli("database", "restore", "a.dump", "--force", "--no-privileges")
        assert counted(owner) == (1,)

        conn.execute("INSERT INTO etld.daemon (cluster_id, node_id, identity, place) VALUES ('c', 'n', 'i', 'there')")
        over = threading.Event()

        def beat() -> None:
            while not over.wait(0.2):
                conn.execute("UPDATE etld.daemon SET beat_at = now()")

        thread = threading.Thread(target=beat)
        thread.start()
        refused = daemon.cli("database", "restore", "a.dump", "--force", check=False)
        over.set()
        thread.join()
        assert refused.returncode == 1
        assert "another daemon works on this database (n there c): stop it first" in refused.stderr


def test_a_dump_goes_to_a_program(elsewhere: tuple[Daemon, str]) -> None:
    """With - for the file."""
    daemon, _owner = elsewhere
    done = subprocess.run(
        [Path(sys.executable).with_name("etld"), "database", "dump", "-"],
        env=daemon.env,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"PGDMP")
