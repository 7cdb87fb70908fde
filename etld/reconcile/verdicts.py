"""What comparisons said, kept for who asks later: dashboards show the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.postgres.connections import Connection
    from etld.reconcile.report import Report

_NOTE = """
WITH gone AS (DELETE FROM etld.reconciliation WHERE at < now() - interval '90 days')
INSERT INTO etld.reconciliation (ok, in_flight, differences) VALUES (%(ok)s, %(in_flight)s, %(differences)s)
ON CONFLICT (at) DO NOTHING
"""


def note(conn: Connection, report: Report) -> None:
    """Keep this one, and forget those of more than 90 days ago; raises psycopg errors."""
    given = {"ok": report.ok, "in_flight": report.in_flight, "differences": list(report.differences)}
    conn.execute(_NOTE, given)
