"""The catalogue, a file an area. A code keeps its meaning for ever, and the number of one that is gone stays unused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.explain.areas import (
    alerts,
    commands,
    configuration,
    console,
    daemon,
    dashboards,
    forget,
    ingest,
    kafka,
    lake,
    letters,
    postgresql,
    rebuild,
    schemas,
    summaries,
    workers,
)

if TYPE_CHECKING:
    from etld.explain.entry import Area

#: In the order in which they are shown.
AREAS: tuple[Area, ...] = (
    configuration.AREA,
    commands.AREA,
    daemon.AREA,
    ingest.AREA,
    kafka.AREA,
    schemas.AREA,
    postgresql.AREA,
    letters.AREA,
    workers.AREA,
    summaries.AREA,
    lake.AREA,
    rebuild.AREA,
    forget.AREA,
    alerts.AREA,
    console.AREA,
    dashboards.AREA,
)
