"""The embedded registry: rows in PostgreSQL."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import etld.store.registry as rows
from etld.registry.compat import canonical, reasons
from etld.registry.port import Incompatible, RegistryUnavailable, UnknownSchemaId, Version
from etld.store.errors import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etld.store.db import Connection


class TableRegistry:
    """Schemas in etld.schema_version; an id stands for one version of one subject."""

    def __init__(self, connect: Callable[[], Connection], compatibility: str) -> None:
        self._connect = connect
        self._mode = compatibility
        self._conn: Connection | None = None

    def register(self, subject: str, schema: str) -> int:
        """See `Registry.register`."""
        fingerprint = hashlib.sha256(canonical(schema).encode()).hexdigest()
        with self._open() as conn, conn.transaction():
            rows.lock(conn, subject)
            known = rows.versions(conn, subject)
            for identity, _version, text in known:
                if hashlib.sha256(canonical(text).encode()).hexdigest() == fingerprint:
                    return identity
            if known:
                why = reasons(known[-1][2], schema, self._mode)
                if why:
                    raise Incompatible(subject, why)
            return rows.add(conn, subject, known[-1][1] + 1 if known else 1, schema, fingerprint)

    def by_id(self, schema_id: int) -> str:
        """See `Registry.by_id`."""
        with self._open() as conn:
            schema = rows.by_id(conn, schema_id)
        if schema is None:
            raise UnknownSchemaId(f"no schema has the id {schema_id}")
        return schema

    def latest(self, subject: str) -> Version | None:
        """See `Registry.latest`."""
        known = self.versions(subject)
        return known[-1] if known else None

    def versions(self, subject: str) -> list[Version]:
        """See `Registry.versions`."""
        with self._open() as conn:
            return [Version(subject, version, id_, text) for id_, version, text in rows.versions(conn, subject)]

    def subjects(self) -> list[str]:
        """See `Registry.subjects`."""
        with self._open() as conn:
            return rows.subjects(conn)

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry.check`."""
        wanted = canonical(schema)
        known = self.versions(subject)
        if not known or any(canonical(one.schema) == wanted for one in known):
            return []
        return reasons(known[-1].schema, schema, self._mode)

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._connect()
            yield self._conn
        except Exception as error:
            if classify(error) == "retry":
                conn, self._conn = self._conn, None
                if conn is not None:
                    conn.close()
                text = " ".join(str(error).split())
                raise RegistryUnavailable(f"the schema registry in PostgreSQL does not answer: {text}") from error
            raise
