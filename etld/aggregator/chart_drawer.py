"""Drawing the charts beside the stream: a thread waits for the process that draws."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from etld.aggregator.drawing_schedule import DrawingSchedule
from etld.charts.process import CannotDraw, draw
from etld.postgres.lease import CHARTS
from etld.sinks.postgres.unwrap import connection_of
from etld.summaries import counted_events
from etld.summaries.chart_data import read_charts

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from etld.postgres.lease import Leases
    from etld.sinks.base import SideConnection
    from etld.summaries.chart_model import Chart
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")


class ChartDrawer:
    """Draws the charts of the summaries when they are due; all calls come from the role's thread."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary], leases: Leases) -> None:
        self._worker = worker
        self._leases = leases
        #: What all aggregators had counted at the last look.
        self._total: int | None = None
        charts = worker.config.charts
        now = time.monotonic()
        self._schedule = DrawingSchedule(charts.every, charts.every_events, charts.idle, now, now)
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._result: list[str] | CannotDraw | None = None
        self._closed = False
        self._began = 0.0
        self._shown = 0
        self._has_charts = any(worker.config.summaries[one.name].chart for one in summaries)

    def counted(self, events: int) -> None:
        """So many events were added to the tables."""
        self._schedule.counted(events, time.monotonic())

    def _follow(self, side: SideConnection) -> None:
        """Count what all aggregators of all hosts have added since the last look."""
        total = counted_events.total(side)
        if total != self._total:
            self.counted(max(1, total - self._total) if self._total is not None else 1)
        self._total = total

    def tick(self, side: SideConnection, summaries: Sequence[Summary]) -> None:
        """Take a result, and begin to draw the charts of these summaries when it is time; raises psycopg errors.

        The holder of the lease draws, for all hosts.
        """
        now = time.monotonic()
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._thread = None
            self._finish(now)
        if not self._has_charts or not self._leases.holds(CHARTS):
            self._total = None
            return
        self._follow(side)
        if self._schedule.due(now):
            shown = self._schedule.events
            charts = read_charts(side, summaries, self._worker.config.summaries)
            self._leases.fence(connection_of(side), CHARTS)
            self._began, self._shown = now, shown
            self._thread = threading.Thread(target=self._draw, args=(charts,), name="drawing", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End a drawing that is under way."""
        self._closed = True
        thread, process = self._thread, self._process
        if thread is not None and thread.is_alive() and process is not None:
            process.kill()
            thread.join(2.0)

    def _draw(self, charts: Sequence[Chart]) -> None:
        config = self._worker.config

        def started(process: subprocess.Popen[str]) -> None:
            self._process = process
            if self._closed:
                process.kill()
                raise CannotDraw("the worker ends")

        try:
            self._result = draw(charts, config.charts, config.state_dir / "matplotlib", started=started)
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
