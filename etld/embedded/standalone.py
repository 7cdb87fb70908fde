"""The embedded PostgreSQL without a daemon, for as long as a command needs it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etld.embedded.postgres import PostgresServer
from etld.util.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config

_READY_SECONDS = 90.0


@contextmanager
def postgres(config: Config) -> Iterator[str]:
    """The DSN of the embedded server's database; both are made where they are not there. Raises `EtldError`.

    The daemon must not run, nor begin to (it would end this server): hold its pid file.
    """
    server = PostgresServer(
        config.state_dir / "postgres",
        free_port(),
        config.log_dir / "postgres.log",
        config.state_dir / "postgres.pass",
    )
    try:
        server.start()
        server.wait_ready(_READY_SECONDS)
        server.ensure_database()
        yield server.dsn
    finally:
        server.stop()
