"""Partitions of processed_events whose time is past, for records of other producers and of other days."""

from __future__ import annotations

import datetime as dt
from typing import Any

from etld.sinks.postgres.partitions import catalog, periods

DAY = dt.timedelta(days=1)


def cut(conn: Any, days: int) -> list[str]:
    """Put partitions of the last `days` days and of today in the place of the first; their names, oldest first.

    The first is empty, and holds all times until now. The oldest of them holds all before it, too.
    """
    first, second = catalog.read(conn)[:2]
    today = periods.floor("day", dt.datetime.now(dt.UTC))
    with conn.transaction():
        conn.execute(f"DROP TABLE etld.{first.name}")
        conn.execute("DELETE FROM etld.event_partition WHERE name = %s", (first.name,))
        made = []
        for ago in range(days, -1, -1):
            begin = today - ago * DAY
            upper = first.upper if ago == 0 else begin + DAY
            lower = None if ago == days else begin
            made.append(catalog.make(conn, lower, upper, like=second.name, name=periods.name(begin)).name)
    return made
