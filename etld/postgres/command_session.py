"""The connection of a command that works for long: `etld forget`, `etld rebuild`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import connections
from etld.postgres.access import session_access

if TYPE_CHECKING:
    from etld.config import Config
    from etld.postgres.connections import Connection


def command_session(config: Config, address: str, name: str, idle_timeout: float = 0.0) -> Connection:
    """A connection without a time limit for statements; the server soon notices when the command is gone.

    `name` is told to the server, which ends it after `idle_timeout` seconds of rest in a transaction (0: never).
    Raises `DatabaseError`.
    """
    address, way = session_access(config, address)
    conn = connections.connect(
        address,
        **way,
        application_name=name,
        connect_timeout=config.postgres.connect_timeout,
        statement_timeout=0,
        idle_timeout=idle_timeout,
    )
    connections.notice_its_end(conn)
    return conn
