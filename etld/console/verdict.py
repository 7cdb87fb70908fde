"""What the last comparison of topics, table, dead letters and summaries said."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres.access import access
from etld.postgres.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config

#: Two connections of its own: it reads all of the table, and no page waits for it.
_CONNECTIONS = 2


class Verdict:
    """Of one daemon, while the console runs; `last` is None before the first comparison."""

    def __init__(self, config: Callable[[], Config], dsn: str, kafka_settings: Callable[[], dict[str, Any]]) -> None:
        self._config = config
        self._dsn = dsn
        self._kafka_settings = kafka_settings
        self._lock = threading.Lock()
        self.last: dict[str, Any] | None = None

    @property
    def under_way(self) -> bool:
        """Does somebody compare now?"""
        return self._lock.locked()

    def compare(self) -> dict[str, Any]:
        """Compare now, which may take minutes; raises `EtldError` when somebody does, and psycopg errors."""
        from etld.reconcile.run import in_memory_broker, reconcile  # which loads much, and few need it

        if not self._lock.acquire(blocking=False):
            raise EtldError("a comparison is under way", code="ETLD-T009")
        try:
            config, settings = self._config(), self._kafka_settings()
            with Pool(
                self._dsn,
                size=_CONNECTIONS,
                application_name="etld console reconcile",
                statement_timeout=0.0,
                **access(config),
            ) as pool:
                report = reconcile(pool, config, settings, in_memory_broker=in_memory_broker(config, settings))
            self.last = {
                "at": datetime.now(UTC),
                "ok": report.ok,
                "differences": report.differences,
                "in_flight": report.in_flight,
            }
        finally:
            self._lock.release()
        return self.last
