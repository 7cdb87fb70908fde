"""The registry as rows of etld.schema_version."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etld.postgres.errors import classify
from etld.schemas import compatibility
from etld.schemas.registry import rows
from etld.schemas.registry.base import Incompatible, RegistryUnavailable, Version
from etld.schemas.tree import SchemaError
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from etld.postgres.connections import Connection
    from etld.schemas.compatibility import Level
    from etld.schemas.reference import SchemaRef
    from etld.schemas.registered import RegisteredSchema

log = logging.getLogger("etld.schemas")
# Ids that one query asks for.
_AT_ONCE = 1000
_NO_GUIDS = "etld's own registry gives no GUIDs; [schema_registry] url names one that does"


class TableRegistry:
    """Keeps schemas in PostgreSQL; compatibility is checked against the latest version, as Confluent's is."""

    def __init__(
        self, connect: Callable[[], Connection], level: Level = "BACKWARD", connection: Connection | None = None
    ) -> None:
        self._connect = connect
        self._level = level
        self._given = connection

    def register(self, subject: str, schema: str) -> int:
        """See `Registry`. Safe when several daemons register at once."""
        with self._connection() as conn, conn.transaction():
            rows.lock(conn, subject)
            known = rows.by_fingerprint(conn, subject, _fingerprint(schema))
            if known is not None:
                return known
            latest = rows.latest(conn, subject)
            if latest is not None and (reasons := compatibility.reasons(schema, latest.schema, self._level)):
                raise Incompatible(subject, reasons)
            version = latest.version + 1 if latest else 1
            return rows.add(conn, subject, version, schema, _fingerprint(schema))

    def look_up(
        self, ids: Collection[SchemaRef], until: float, tick: Callable[[], None]
    ) -> Iterator[tuple[SchemaRef, str | SchemaError | None]]:
        """See `Registry`. All over one connection."""
        asked = [one for one in ids if isinstance(one, int)]
        yield from ((one, SchemaError(_NO_GUIDS)) for one in ids if not isinstance(one, int))
        with self._connection() as conn:
            for begin in range(0, len(asked), _AT_ONCE):
                if begin and time.monotonic() >= until:
                    return
                some = asked[begin : begin + _AT_ONCE]
                found = rows.by_ids(conn, some)
                tick()
                yield from ((one, found.get(one)) for one in some)

    def latest(self, subject: str) -> Version | None:
        """See `Registry`."""
        with self._connection() as conn:
            found = rows.latest(conn, subject)
        return None if found is None else Version(found.subject, found.version, found.id, found.schema)

    def versions(self, subject: str) -> list[Version]:
        """See `Registry`."""
        with self._connection() as conn:
            return [Version(r.subject, r.version, r.id, r.schema) for r in rows.versions(conn, subject)]

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry`."""
        with self._connection() as conn:
            if rows.by_fingerprint(conn, subject, _fingerprint(schema)) is not None:
                return []
            latest = rows.latest(conn, subject)
        return [] if latest is None else compatibility.reasons(schema, latest.schema, self._level)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            if self._given is not None:
                yield self._given
            else:
                with self._connect() as conn:
                    yield conn
        except Exception as error:
            if isinstance(error, RegistryUnavailable) or classify(error) != "retry":
                raise
            raise RegistryUnavailable(f"the schema registry (PostgreSQL) does not answer: {one_line(error)}") from error


def put_back(conn: Connection, known: Iterable[RegisteredSchema]) -> None:
    """Have schemas again, under their ids, that were registered just before a failover to a server that was behind.

    Records in Kafka name those ids. Raises the database's errors.
    """
    for one in known:
        with conn.transaction():
            rows.lock(conn, one.subject)
            if rows.by_fingerprint(conn, one.subject, _fingerprint(one.text)) is not None:
                continue
            if rows.put_back(conn, one.schema_id, one.subject, one.text, _fingerprint(one.text)):
                log.warning("put back the schema of %s, id %d, which PostgreSQL had lost", one.subject, one.schema_id)
            else:
                log.error(
                    "PostgreSQL had lost the schema of %s, and has given its id %d to another: events that were written"
                    " with it cannot be read; `etld restart` registers it anew",
                    one.subject,
                    one.schema_id,
                )


def _fingerprint(schema: str) -> str:
    return hashlib.sha256(compatibility.canonical(schema).encode()).hexdigest()
