"""Numbered migrations, each in one transaction, under one advisory lock."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from etld.postgres.compose import SQL
from etld.postgres.errors import DatabaseProblem

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

# Any constant will do, as long as every etld uses the same.
LOCK = 0x65746C64
# The first migration says this, and it is there by then.
_SCHEMA = "CREATE SCHEMA IF NOT EXISTS etld;"
_FILE = re.compile(r"(\d{4})_\w+\.sql")


def available() -> list[tuple[int, str, str]]:
    """(number, file name, SQL) of every migration this version brings, in order."""
    found = []
    for entry in resources.files(__package__).joinpath("migrations").iterdir():
        match = _FILE.fullmatch(entry.name)
        if match:
            found.append((int(match[1]), entry.name, entry.read_text()))
    return sorted(found)


def migrate(conn: Connection) -> list[str]:
    """Bring the database to this version's tables; the names of the migrations that ran.

    Safe when several daemons start at once. Raises `DatabaseProblem` when the database was already
    migrated by a newer etld.
    """
    migrations = available()
    ran = []
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        # Asked first: who may not make schemas may not say IF NOT EXISTS either. Asked of the table, whose
        # lock makes PostgreSQL take note of what others did while this waited; to_regnamespace has no such lock.
        if conn.execute("SELECT FROM pg_namespace WHERE nspname = 'etld'").fetchone() is None:
            conn.execute("CREATE SCHEMA etld")
        conn.execute(
            "CREATE TABLE IF NOT EXISTS etld.migration (number integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        current = _refuse_newer(conn)
        for number, name, text in migrations:
            if number > current:
                conn.execute(SQL(text.replace(_SCHEMA, "")))
                conn.execute("INSERT INTO etld.migration (number, name) VALUES (%s, %s)", (number, name))
                ran.append(name)
    return ran


def refuse_newer(conn: Connection) -> None:
    """Change nothing; raises `DatabaseProblem` when the database was already migrated by a newer etld."""
    row = conn.execute("SELECT to_regclass('etld.migration')").fetchone()
    if row and row[0] is not None:
        _refuse_newer(conn)


def _refuse_newer(conn: Connection) -> int:
    """The number of the database's last migration."""
    row = conn.execute("SELECT coalesce(max(number), 0) FROM etld.migration").fetchone()
    current, newest = int(row[0]) if row else 0, available()[-1][0]
    if current > newest:
        raise DatabaseProblem(
            f"the database is at migration {current}, and this etld knows migrations up to {newest}:"
            " a newer etld has used it. Upgrade this one."
        )
    return current
