"""The session that a rebuild works in: as long as it lasts, no other one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres.access import session_access
from etld.postgres.command_session import command_session
from etld.rebuild import record

if TYPE_CHECKING:
    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.worker import Addresses

# Seconds after which a command that froze inside a transaction has lost it, so that the processors go on.
_FROZEN = 15.0


class RebuildSession:
    """A connection that holds the lock of rebuilds; raises `EtldError` when another does, and psycopg errors."""

    def __init__(self, config: Config, addresses: Addresses) -> None:
        self._config = config
        self._addresses = addresses
        self.conn = self._connect()

    def reconnect(self) -> None:
        """After PostgreSQL was away; the server may take a moment to see that the former connection is gone."""
        self.conn.close()
        self.conn = self._connect()

    def close(self) -> None:
        """Let others rebuild."""
        self.conn.close()

    def _connect(self) -> Connection:
        assert self._addresses.postgres is not None
        _address, way = session_access(self._config, self._addresses.postgres)
        if way["pooled"]:
            raise EtldError(
                "a rebuild needs a session of its own: set postgres.direct_dsn, past the pooler", code="ETLD-P007"
            )
        conn = command_session(self._config, self._addresses.postgres, "etld rebuild", _FROZEN)
        if not record.lock(conn):
            conn.close()
            raise EtldError("another `etld rebuild` is at work", code="ETLD-T001")
        return conn
