"""The console's own numbers, among the daemon's on /metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from etld.console.frame import Console
    from etld.console.live import Live
    from etld.worker import Worker

#: Instead of a path, for what the console has not.
_NONE = "none"
_LIVE = "/live/"


class Measures:
    """Counts requests as they end; `look` tells what there is now."""

    def __init__(self, worker: Worker, console: Console, live: Live) -> None:
        self._worker = worker
        self._console = console
        self._live = live
        self._failed = 0

    def ended(self, request: web.Request, status: int, began: float) -> None:
        """A request was answered that began then (monotonic seconds)."""
        resource = request.match_info.route.resource
        path = _NONE if resource is None else resource.canonical
        self._worker.count("console_requests", path=path, status=status)
        if not path.startswith(_LIVE):  # these last as long as a browser looks
            self._worker.observe("console_request_seconds", time.monotonic() - began, path=path)

    def look(self) -> None:
        """Tell how many of each there are."""
        console, gauge = self._console, self._worker.gauge
        gauge("console_sessions", len(console.guard.sessions))
        gauge("console_live_pages", self._live.count)
        gauge("console_actions", console.actions.under_way)
        gauge("console_dry_runs", console.sources.dry_runs.under_way)
        gauge("console_connections", console.sources.connections)
        failed, self._failed = console.guard.failed - self._failed, console.guard.failed
        if failed:
            self._worker.count("console_failed_log_ins", failed)
