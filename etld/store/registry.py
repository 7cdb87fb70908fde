"""Rows of the embedded schema registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.store import sql

if TYPE_CHECKING:
    from etld.store.db import Connection

_SQL = sql.load("registry")


def lock(conn: Connection, subject: str) -> None:
    """Let nobody else register under this subject until the transaction ends."""
    conn.execute(_SQL.lock, {"subject": subject})


def versions(conn: Connection, subject: str) -> list[tuple[int, int, str]]:
    """(id, version, schema) of a subject, oldest first."""
    rows = conn.execute(_SQL.versions, {"subject": subject}).fetchall()
    return [(int(row[0]), int(row[1]), str(row[2])) for row in rows]


def by_id(conn: Connection, schema_id: int) -> str | None:
    """The schema of an id."""
    row = conn.execute(_SQL.by_id, {"id": schema_id}).fetchone() if schema_id < 1 << 31 else None
    return str(row[0]) if row else None


def subjects(conn: Connection) -> list[str]:
    """All subjects, in alphabetical order."""
    return [str(row[0]) for row in conn.execute(_SQL.subjects)]


def add(conn: Connection, subject: str, version: int, schema: str, fingerprint: str) -> int:
    """Add a version; its id."""
    values = {"subject": subject, "version": version, "schema": schema, "fingerprint": fingerprint}
    row = conn.execute(_SQL.add, values).fetchone()
    assert row is not None
    return int(row[0])
