"""The database, migrated, with all that the daemon's role needs."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etld.postgres import backup, connections, privileges
from etld.postgres.access import access
from etld.postgres.errors import DatabaseError, DatabaseProblem, classify
from etld.postgres.migrate import migrate
from etld.setup import partitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.connections import Connection
    from etld.worker import Worker

log = logging.getLogger("etld.setup")

#: The first version with UNIQUE NULLS NOT DISTINCT, by which groups of summaries with NULL in them are one row.
_OLDEST = 15


@contextmanager
def open_migrated(worker: Worker, address: str) -> Iterator[Connection]:
    """The daemon's connection, after the migrations.

    Raises `DatabaseProblem`, in one line, for what a person has to mend: a server that is too old, a user who is not
    let in, privileges that are missing.
    """
    with _connect(worker, address, **access(worker.config)) as conn, _in_words(address):
        role = privileges.role_of(conn)
        if worker.config.postgres.migration_dsn:
            _migrate_as_another(worker, role)
        else:
            missing = [*privileges.lacks_for_migrations(conn), *privileges.lacks(conn, role)]
            privileges.refuse(role, list(dict.fromkeys(missing)))
            _migrate(conn)
            partitions.ensure(worker)
        privileges.refuse(role, privileges.lacks(conn, role))
        yield conn


def _migrate_as_another(worker: Worker, role: str) -> None:
    address, password = worker.config.migration_dsn()
    with _connect(worker, address, password=password) as conn, _in_words(address):
        another = privileges.role_of(conn)
        privileges.refuse(another, privileges.lacks_for_migrations(conn))
        _migrate(conn)
        partitions.ensure(worker)
        if given := privileges.grant(conn, role):
            log.info("granted %s what it needs: %d statements", role, given)
        if reader := worker.config.postgres.reader:
            privileges.let_read(conn, reader)


def let_read(conn: Connection, reader: str) -> None:
    """Let the role of readers read what it may; raises `DatabaseProblem` with what is missing for that."""
    if reader:
        privileges.refuse(reader, privileges.let_read(conn, reader))


def _migrate(conn: Connection) -> None:
    for name in migrate(conn):
        log.info("migrated the database: %s", name)
    if backup.take_kept(conn):
        log.info("took in the erasures that were on record before the restore")


@contextmanager
def _connect(worker: Worker, address: str, **options: Any) -> Iterator[Connection]:
    limits = worker.config.postgres
    with _in_words(address):
        conn = connections.connect(
            address,
            application_name=f"etld {worker.name}",
            connect_timeout=limits.connect_timeout,
            statement_timeout=limits.statement_timeout,
            **options,
        )
    with conn:
        if (version := conn.info.server_version) < _OLDEST * 10_000:
            told = f"{version // 10_000}.{version % 10_000}"
            raise DatabaseProblem(
                f"PostgreSQL {told} at {conn.info.host}:{conn.info.port}: etld needs {_OLDEST} or newer",
                code="ETLD-P004",
            )
        yield conn


@contextmanager
def _in_words(address: str) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if classify(error) != "stop":
            raise
        raise DatabaseProblem(privileges.in_words(error, address), code="ETLD-P002") from error
