"""What the lake's workers have told PostgreSQL of its tables, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "told")


def tables(conn: Connection) -> list[dict[str, Any]]:
    """Each table as of its newest snapshot that is noted, by event type. Raises the database's errors."""
    return _records(conn, _SQL.tables)


def partitions(conn: Connection, cluster_id: str) -> list[dict[str, Any]]:
    """How far the lake is in each partition of each topic, with the rows that its files had of it when counted.

    Raises the database's errors.
    """
    return _records(conn, _SQL.partitions, {"cluster": cluster_id})


def backfills(conn: Connection) -> list[dict[str, Any]]:
    """What was asked for last of each event type. Raises the database's errors."""
    return _records(conn, _SQL.backfills)


def held(conn: Connection) -> list[dict[str, Any]]:
    """The partitions of processed_events that stay until the lake has them. Raises the database's errors."""
    return _records(conn, _SQL.held)


def _records(conn: Connection, statement: bytes, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    cur = conn.execute(statement, parameters)
    names = [column.name for column in cur.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cur.fetchall()]
