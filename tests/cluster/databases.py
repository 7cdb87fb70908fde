"""A PostgreSQL primary and its streaming standby, on two machines; promotion, and the old primary's return."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from cluster.network import Network, Place
from etld.embedded import identity, process
from etld.embedded.postgres import DATABASE, USER, PostgresServer, _environment, _program
from etld.embedded.server import Tick
from support.waiting import wait_until

_PORT = 5432
_MORE = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "wal_keep_size": "256MB",
    "hot_standby": "on",
    "shared_buffers": "128MB",
    "max_connections": "120",
    # Standbys whose primary is gone are noticed at once, and clients that are gone too.
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
    "tcp_user_timeout": "5000",
    "client_connection_check_interval": "2s",
}


@dataclass(frozen=True)
class Within:
    """Who runs PostgreSQL, inside a place: the network first, which takes root's rights."""

    place: Place
    who: identity.Identity | None

    def enter(self) -> None:
        """As `Identity.enter`."""
        self.place.enter()
        if self.who is not None:
            self.who.enter()

    def own(self, path: Path) -> None:
        """As `Identity.own`."""
        if self.who is not None:
            self.who.own(path)


class PlacedPostgres(PostgresServer):
    """One server in its place."""

    def __init__(self, place: Place, directory: Path, passfile: Path, subnet: str) -> None:
        self.who = Within(place, identity.choose())
        super().__init__(directory / place.name, _PORT, directory / f"{place.name}.log", passfile, self.who)  # type: ignore[arg-type]
        self.place = place
        self.data = self._data
        self._subnet = subnet

    def start(self, tick: Tick = lambda _said: None) -> None:
        """In its own place every port is free."""
        self.prepare(tick)
        self.child = self.launch()

    def prepare(self, tick: Tick) -> None:
        """Make the cluster once, and let in who comes by the network."""
        super().prepare(tick)
        rules = self._data / "pg_hba.conf"
        if self._subnet not in rules.read_text():
            with rules.open("a") as file:
                for database in ("all", "replication"):
                    file.write(f"host {database} all {self._subnet} scram-sha-256\n")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it in its place."""
        # A copy of the data would find the socket of its original in use.
        more = {**_MORE, "port": str(_PORT), "listen_addresses": "*", "unix_socket_directories": ""}
        settings = {**self.settings, **more}
        return process.spawn(
            [_program("postgres"), "-D", str(self._data), *(f"-c{name}={value}" for name, value in settings.items())],
            log=self.log,
            cwd=self._data,
            env=_environment(),
            become=self.who.enter,
        )

    def dsn_of(self, database: str = DATABASE) -> str:
        """Its address, whatever it is now."""
        return dsn([self.place.address], self._passfile, database)

    def probe(self) -> bool:
        """Does it answer?"""
        try:
            self.ask("SELECT 1", database="postgres")
        except psycopg.Error:
            return False
        return True

    def ask(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """The rows of one statement; raises psycopg.Error."""
        with psycopg.connect(self.dsn_of(database), autocommit=True, connect_timeout=2) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def copy_of(self, primary: PlacedPostgres) -> None:
        """Become a standby of it, with what it has now."""
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        self.who.own(self._data)
        address = f"host={primary.place.address} port={_PORT} user={USER} passfile={self._passfile}"
        address += f" application_name={self.place.name} connect_timeout=2"
        copy = [_program("pg_basebackup"), f"--pgdata={self._data}", "--write-recovery-conf", "--checkpoint=fast"]
        process.run([*copy, f"--dbname={address}"], become=self.who.enter, env=_environment())


class Databases:
    """`primary` is the one that counts now. Start with start(); the network's end is theirs."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.passfile = directory / "pg.pass"
        self.passfile.write_text(f"*:*:*:{USER}:{secrets.token_urlsafe(24)}\n")
        self.passfile.chmod(0o600)
        first, second = (
            PlacedPostgres(network.place(name), directory, self.passfile, network.subnet) for name in ("db1", "db2")
        )
        self.servers = (first, second)
        self.primary, self.standby = first, second

    @property
    def dsn(self) -> str:
        """For etld: whichever of the two takes writes."""
        return dsn([one.place.address for one in self.servers], self.passfile) + "&target_session_attrs=read-write"

    def start(self) -> None:
        """The primary with an empty database, then the standby."""
        self.primary.start()
        self.primary.wait_ready(60)
        self.primary.ask(f'CREATE DATABASE "{DATABASE}"', database="postgres")
        self.attach()

    def attach(self) -> None:
        """Have the standby follow the primary, from a new copy."""
        self.standby.copy_of(self.primary)
        self.standby.start()
        self.standby.wait_ready(60)
        wait_until(self.streaming, 30, "the standby streams")

    def streaming(self) -> bool:
        """Does the standby follow?"""
        return bool(self.primary.ask("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))

    def caught_up(self) -> bool:
        """Has the standby all that the primary has written by now?"""
        rows = self.primary.ask("SELECT pg_current_wal_lsn() <= replay_lsn FROM pg_stat_replication")
        return bool(rows and rows[0][0])

    def promote(self) -> None:
        """Make the standby the primary; the two have changed places when this returns."""
        self.standby.ask("SELECT pg_promote(true, 30)", database="postgres")
        self.primary, self.standby = self.standby, self.primary

    def heal(self) -> None:
        """The primary runs."""
        if self.primary.child is None or self.primary.child.poll() is not None:
            self.primary.start()
            self.primary.wait_ready(60)


def dsn(addresses: list[str], passfile: Path, database: str = DATABASE) -> str:
    """A DSN of servers at their usual port."""
    hosts = ",".join(f"{address}:{_PORT}" for address in addresses)
    return f"postgresql://{USER}@{hosts}/{database}?passfile={quote(str(passfile), safe='/')}"
