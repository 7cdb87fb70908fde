"""A few connections for those who want more than one."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from etld.postgres.connections import TimedConnection, configure, connection_class, conninfo_now, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etld.postgres.connections import Connection
    from etld.postgres.session_settings import ConnectionOptions

# How often one who waits for a connection looks whether there can be none.
_LOOK_EVERY = 0.1
# What it warns of is raised here, with the reason.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Pool:
    """At most `size` connections like those of `connections.connect`, made when they are wanted first.

    >>> with Pool(dsn, application_name="etld console", size=4) as pool, pool.connection() as conn:
    ...     conn.execute("SELECT 1")

    Threads may share it; it has threads of its own, so a process that still forks must not have one.
    """

    def __init__(
        self, dsn: str, *, size: int = 4, patience: float = 10.0, **options: Unpack[ConnectionOptions]
    ) -> None:
        self.size = size
        self._patience = patience
        self._failure: psycopg.OperationalError | None = None
        self._pool: ConnectionPool[TimedConnection] = ConnectionPool(
            # Asked anew for each connection: which servers answer may have changed.
            partial(conninfo_now, dsn, options),
            connection_class=_noting(connection_class(options), self._failed),
            kwargs={"autocommit": True},
            min_size=0,
            max_size=size,
            open=False,
            configure=partial(configure, options=options),
            check=ConnectionPool.check_connection,
            # Who waits is told at once; who asks next makes the pool try again.
            reconnect_timeout=0,
            num_workers=1,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode, for as long as the block lasts.

        Raises psycopg.OperationalError: at once when PostgreSQL cannot be reached or refuses, after `patience`
        seconds when others have all connections.
        """
        conn = self._take()
        try:
            yield conn
        finally:
            self._pool.putconn(conn)

    @property
    def used(self) -> int:
        """How many connections are in use."""
        found = self._pool.get_stats()
        return found.get("pool_size", 0) - found.get("pool_available", 0)

    def close(self) -> None:
        """End the connections; those in use end when they come back."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> TimedConnection:
        self._pool.open()
        self._failure = None
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._pool.getconn(_LOOK_EVERY)
            except PoolTimeout:
                if self._failure is not None:
                    raise self._failure from None
                if time.monotonic() >= deadline:
                    raise psycopg.OperationalError(
                        f"none of the {self.size} connections to PostgreSQL was free within {self._patience:g} s"
                    ) from None

    def _failed(self, error: psycopg.OperationalError) -> None:
        self._failure = error


def _noting(base: type[TimedConnection], failed: Callable[[psycopg.OperationalError], None]) -> type[TimedConnection]:
    """The class of connections, telling `failed` why one could not be made: the pool only logs it."""

    class NotingConnection(base):  # type: ignore[valid-type,misc]
        @classmethod
        def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
            try:
                made: Self = super().connect(conninfo, **kwargs)
            except psycopg.OperationalError as error:
                explain(error)
                failed(error)
                raise
            return made

    return NotingConnection
