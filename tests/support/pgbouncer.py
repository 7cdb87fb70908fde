"""A real PgBouncer in transaction mode before a PostgreSQL."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from etld.util.ports import LOOPBACK, free_port
from support.waiting import wait_until

_NOBODY = 65534
_POOL_SIZE = "default_pool_size"


def missing() -> str:
    """Why there can be none here, or ""."""
    return "" if _program() else "there is no pgbouncer (Debian's package of that name)"


def _program() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


class PgBouncer:
    """Start with start(), end with stop(). `server`: a DSN without pooler, whose user's password is "pw"."""

    def __init__(self, server: str, pool_size: int = 4) -> None:
        given = psycopg.conninfo.conninfo_to_dict(server)
        self.server = server
        self.port = free_port()
        self.user, self.database = str(given["user"]), str(given["dbname"])
        self.directory = Path(tempfile.mkdtemp(prefix="etld-pgb-"))
        self.directory.chmod(0o755)
        users = self.directory / "users.txt"
        users.write_text(f'"{self.user}" "pw"\n')
        self._ini = self.directory / "pgbouncer.ini"
        self._ini.write_text(
            "[databases]\n"
            f"* = host={given['host']} port={given['port']}\n"
            "[pgbouncer]\n"
            f"listen_addr = {LOOPBACK}\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\npool_mode = transaction\nadmin_users = {self.user}\n"
            f"{_POOL_SIZE} = {pool_size}\nmax_client_conn = 200\n"
            "ignore_startup_parameters = \nlogfile = \n"
        )
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The way through it."""
        return f"postgresql://{self.user}:pw@{LOOPBACK}:{self.port}/{self.database}"

    def start(self) -> None:
        """Start it, as nobody where this is root, which it refuses to be."""
        program = _program()
        assert program
        who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        log = (self.directory / "log").open("ab")
        self._child = subprocess.Popen([program, str(self._ini)], stdout=log, stderr=log, **who)  # type: ignore[call-overload]
        wait_until(self._answers, 20, "PgBouncer answers")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.send_signal(number)
            self._child.send_signal(signal.SIGTERM)
            self._child.wait(20)
            self._child = None

    def close(self) -> None:
        """End it, and remove what it left."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def console(self, command: str) -> list[dict[str, Any]]:
        """What its own console answers to "PAUSE", "SHOW SERVERS" or another command of its."""
        with psycopg.connect(self.dsn, dbname="pgbouncer", autocommit=True, row_factory=dict_row) as conn:
            cursor = conn.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def resize(self, pool_size: int) -> None:
        """Have so many connections to the server, by a RELOAD; those too many go when their transactions end."""
        self._ini.write_text(re.sub(f"{_POOL_SIZE} = [0-9]+", f"{_POOL_SIZE} = {pool_size}", self._ini.read_text()))
        self.console("RELOAD")

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn, connect_timeout=2) as conn:
                conn.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True
