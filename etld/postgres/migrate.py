"""Numbered migrations, each in one transaction, under one advisory lock.

While hosts are upgraded one after the other, an etld of the version before works on a database that the next version
has migrated. So a migration only adds: columns with a default, tables, views, functions. One after which etld of an
earlier version cannot go on says so in its first line, `-- Breaks earlier versions.`; then those refuse the database.
"""

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
_HAS_NEEDS = "SELECT FROM pg_attribute WHERE attrelid = 'etld.migration'::regclass AND attname = 'needs'"
_NOTE = "INSERT INTO etld.migration (number, name, needs) VALUES (%s, %s, %s)"
_BREAKS = "-- Breaks earlier versions."


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

    Safe when several daemons start at once. Raises `DatabaseProblem` when a newer etld has migrated the database in a
    way that this one cannot work with.
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
        if conn.execute(_HAS_NEEDS).fetchone() is None:
            # The number of the last migration that an etld has to know to work with this one; 0: any.
            conn.execute("ALTER TABLE etld.migration ADD COLUMN needs integer NOT NULL DEFAULT 0")
        current = _refuse_newer(conn)
        for number, name, text in migrations:
            if number > current:
                conn.execute(SQL(text.replace(_SCHEMA, "")))
                needs = number if text.startswith(_BREAKS) else 0
                conn.execute(_NOTE, (number, name, needs))
                ran.append(name)
    return ran


def refuse_newer(conn: Connection) -> None:
    """Change nothing; raises `DatabaseProblem` as `migrate` does."""
    row = conn.execute("SELECT to_regclass('etld.migration')").fetchone()
    if row and row[0] is not None:
        _refuse_newer(conn)


def _refuse_newer(conn: Connection) -> int:
    """The number of the database's last migration."""
    # By way of JSON: before this version the column was not there.
    row = conn.execute(
        "SELECT coalesce(max(number), 0), coalesce(max((to_jsonb(m) ->> 'needs')::int), 0) FROM etld.migration m"
    ).fetchone()
    assert row is not None
    current, needs, newest = int(row[0]), int(row[1]), available()[-1][0]
    if needs > newest:
        raise DatabaseProblem(
            f"the database is at migration {current}, and this etld knows migrations up to {newest}: a newer etld has"
            f" changed it in a way that needs migration {needs}. Upgrade this one.",
            code="ETLD-P005",
        )
    return current
