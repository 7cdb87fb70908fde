"""Which timelines of a PostgreSQL cluster this host has seen, to know a former primary that comes back.

A standby that is promoted begins a new timeline. The primary before it may be up again, by mistake, and take writes:
all of them are lost when it becomes a standby. Whoever has seen the newer timeline writes nothing there.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.errors import DatabaseError, classify
from etld.postgres.former_primaries import FORMER_PRIMARIES
from etld.sinks.base import SinkError
from etld.util.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config
    from etld.postgres.connections import Connection

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "positions")


def path_of(config: Config) -> Path:
    """Where this host keeps them."""
    return config.state_dir / "timelines.json"


class SeenTimelines:
    """The newest of each cluster, in a file that the workers of the host share; None: in this process alone."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._seen: dict[str, int] = {}

    def check(self, conn: Connection) -> None:
        """Remember the server's timeline. Raises `SinkError` for a former primary's, and the database's errors."""
        timeline, cluster = _ask(conn)
        if not (timeline and cluster):
            return
        newest = self._read().get(cluster, 0)
        if timeline < newest:
            FORMER_PRIMARIES.note(conn.info.host, conn.info.port)
            raise SinkError(
                f"the server at this address is a former primary that came back: it writes timeline {timeline}, and"
                f" this host has seen timeline {newest}. What is written to it is lost when it becomes a standby, so"
                " nothing is. Other hosts of postgres.dsn are asked first from now on; where it has none, lead it to"
                f" the new primary. If this server is the right one all the same, {self._way_out()}",
                "stop",
                code="ETLD-P008",
            )
        if timeline > newest:
            self._write({**self._seen, cluster: timeline})

    def _way_out(self) -> str:
        return "`etld restart`" if self._path is None else f"remove {self._path} and `etld restart`"

    def _read(self) -> dict[str, int]:
        if self._path is not None:
            try:
                found = json.loads(self._path.read_text())
                self._seen = {str(cluster): int(timeline) for cluster, timeline in found.items()}
            except FileNotFoundError:
                self._seen = {}
            except (OSError, ValueError, AttributeError, TypeError) as error:
                log.warning("%s cannot be read, so it counts for nothing: %s", self._path, error)
        return self._seen

    def _write(self, seen: dict[str, int]) -> None:
        self._seen = seen
        if self._path is not None:
            try:
                write_atomically(self._path, json.dumps(seen).encode())
            except OSError as error:
                log.warning("cannot write %s: %s", self._path, error.strerror)


def _ask(conn: Connection) -> tuple[int, str]:
    """The timeline, and which cluster it is of; "" where the server does not tell."""
    try:
        row = conn.execute(_SQL.server).fetchone()
    except DatabaseError as error:
        if classify(error) == "retry":
            raise
        row = conn.execute(_SQL.timeline).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])
