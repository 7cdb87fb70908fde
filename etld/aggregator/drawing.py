"""When to draw, and the thread that waits for the drawing process."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.charts.process import CannotDraw, draw
from etld.summaries import pictures

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.chart_model import Chart
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")

# Under load, drawing takes at most one part in so many of the time.
_SHARE = 10
_RETRY = 10.0


@dataclass
class Schedule:
    """Drawn after `every` seconds, after `every_events`, and when nothing came for `idle` seconds.

    Pure: times are of a monotonic clock. Something not yet drawn is assumed at first.
    """

    every: float
    every_events: int
    idle: float
    drawn_at: float
    last_event: float
    events: int = 1
    not_before: float = 0.0
    retry_at: float = 0.0

    def counted(self, events: int, now: float) -> None:
        """So many events came."""
        if events:
            self.events += events
            self.last_event = now

    def due(self, now: float) -> bool:
        """Is it time to draw?"""
        if not self.events:
            return False
        if now < self.retry_at:
            return False
        if now - self.last_event >= self.idle:
            return True
        if now < self.not_before:
            return False
        return now - self.drawn_at >= self.every or self.events >= self.every_events

    def drawn(self, events: int, began: float, now: float) -> None:
        """A drawing that showed `events` of them is done."""
        self.events -= events
        self.drawn_at = began
        self.not_before = now + (_SHARE - 1) * (now - began)

    def failed(self, now: float) -> None:
        """Nothing was drawn: again, but not at once."""
        self.retry_at = now + _RETRY


class Drawing:
    """Draws the charts of the summaries beside the stream."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary]) -> None:
        self._worker = worker
        self._summaries = summaries
        charts = worker.config.charts
        now = time.monotonic()
        self._schedule = Schedule(charts.every, charts.every_events, charts.idle, now, now)
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._result: list[str] | CannotDraw | None = None
        self._began = 0.0
        self._shown = 0
        self._any = any(worker.config.summaries[one.name].chart for one in summaries)

    def counted(self, events: int) -> None:
        """So many events were added to the tables."""
        self._schedule.counted(events, time.monotonic())

    def tick(self, conn: Connection) -> None:
        """Take a result, and begin to draw when it is time; raises psycopg errors."""
        now = time.monotonic()
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._thread = None
            self._finish(now)
        if self._any and self._schedule.due(now):
            shown = self._schedule.events
            charts = pictures.charts(conn, self._summaries, self._worker.config.summaries)
            self._began, self._shown = now, shown
            self._thread = threading.Thread(target=self._draw, args=(charts,), name="drawing", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End a drawing that is under way."""
        thread, process = self._thread, self._process
        if thread is not None and thread.is_alive() and process is not None:
            process.kill()
            thread.join(2.0)

    def _draw(self, charts: Sequence[Chart]) -> None:
        config = self._worker.config

        def started(process: subprocess.Popen[str]) -> None:
            self._process = process

        try:
            self._result = draw(
                charts,
                config.charts.dir,
                keep=config.charts.keep,
                dpi=config.charts.dpi,
                cache=config.state_dir / "matplotlib",
                started=started,
            )
        except CannotDraw as error:
            self._result = error
        except Exception as error:
            self._result = CannotDraw(f"drawing failed: {error}")

    def _finish(self, now: float) -> None:
        result, self._result = self._result, None
        if isinstance(result, CannotDraw):
            self._schedule.failed(now)
            log.error("%s", result)
            self._worker.fault("charts", str(result))
            return
        self._schedule.drawn(self._shown, self._began, now)
        self._worker.fault("charts", None)
        log.info("Drew %d charts in %.1f s", len(result or ()), now - self._began, extra={"paths": result})
        self._worker.count("charts_drawn", len(result or ()))
