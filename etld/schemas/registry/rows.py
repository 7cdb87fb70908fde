"""Rows of etld.schema_version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.errors import DatabaseError, DatabaseProblem, sqlstate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "rows")
_INT_MAX = 2**31 - 1
_DENIED = "42501"


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """One version of a subject."""

    id: int
    subject: str
    version: int
    schema: str


def lock(conn: Connection, subject: str) -> None:
    """Until the transaction ends, nobody else registers under `subject`."""
    conn.execute(_SQL.lock, {"subject": subject})


def by_fingerprint(conn: Connection, subject: str, fingerprint: str) -> int | None:
    """The id of the version with that fingerprint."""
    row = conn.execute(_SQL.by_fingerprint, {"subject": subject, "fingerprint": fingerprint}).fetchone()
    return None if row is None else int(row[0])


def by_ids(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The schemas of those of the ids that have one."""
    possible = [one for one in ids if one <= _INT_MAX]
    return {row[0]: row[1] for row in conn.execute(_SQL.by_ids, {"ids": possible})} if possible else {}


def latest(conn: Connection, subject: str) -> SchemaRow | None:
    """The newest version."""
    row = conn.execute(_SQL.latest, {"subject": subject}).fetchone()
    return None if row is None else SchemaRow(*row)


def versions(conn: Connection, subject: str) -> list[SchemaRow]:
    """Every version, oldest first."""
    return [SchemaRow(*row) for row in conn.execute(_SQL.versions, {"subject": subject})]


def add(conn: Connection, subject: str, version: int, schema: str, fingerprint: str) -> int:
    """A new version; its id."""
    values = {"subject": subject, "version": version, "schema": schema, "fingerprint": fingerprint}
    row = conn.execute(_SQL.add, values).fetchone()
    if row is None:
        raise DatabaseProblem(f"PostgreSQL gave no id for the schema of {subject}")
    return int(row[0])


def put_back(conn: Connection, schema_id: int, subject: str, schema: str, fingerprint: str) -> bool:
    """A version that was there, under its id; False where another has that id by now."""
    values = {"id": schema_id, "subject": subject, "schema": schema, "fingerprint": fingerprint}
    found = conn.execute(_SQL.put_back, values).fetchone() is not None
    if found:
        # Who does not own the sequence may not: then a new schema that is to have this id is refused, and asked again.
        try:
            with conn.transaction():
                conn.execute(_SQL.pass_over)
        except DatabaseError as error:
            if sqlstate(error) != _DENIED:
                raise
    return found
