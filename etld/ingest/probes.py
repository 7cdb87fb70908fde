"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from etld.ingest.http.answers import TEXT, Answer, json_answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.ingest.http.connection import HttpConnection
    from etld.ingest.http.request import HttpRequest
    from etld.ingest.runtime import IngestRuntime
    from etld.worker import Worker

#: Seconds until the supervisor has answered. When it restarts it keeps its workers, and takes a second or two.
_TIMEOUT = 5.0
#: So many are answered at once with the same numbers; those after them wait for the next, which slows a flood down.
_AT_ONCE = 20
#: Older news of the daemon are none.
_TOLD_WITHIN = 4.0


class Probes:
    """Answers about the process itself; no key is asked for. `report` brings the worker's numbers up to date."""

    def __init__(self, runtime: IngestRuntime, report: Callable[[], None]) -> None:
        self._runtime = runtime
        self._report = report
        #: The daemon's metrics, and until when they may be shown (monotonic).
        self._exposition = Answer(200)
        self._fresh_until = 0.0
        self._answered = 0
        #: When they were asked for; None when no answer is awaited.
        self._asked: float | None = None
        self._waiting: deque[tuple[float, HttpConnection]] = deque()
        runtime.worker.on_metrics = self._take_metrics

    def healthz(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Alive: the event loop turns. How the rest of the daemon does is said, and changes nothing."""
        connection.answer(json_answer(200, {"status": "alive", **self._daemon()}))

    def readyz(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Would an event now be accepted? If not, why."""
        worker = self._runtime.worker
        if self._runtime.status.draining or worker.stopping:
            reason = "ingest is stopping"
        elif worker.paused:
            reason = "ingest is paused"
        else:
            reason = self._runtime.producers.main.away
        if reason:
            connection.answer(problem(503, "not_ready", reason, retry_after=1))
        else:
            connection.answer(json_answer(200, {"status": "ready", **self._daemon()}))

    def _daemon(self) -> dict[str, Any]:
        """The daemon's state and problems as the supervisor told them last; "unknown" when that is long ago."""
        told = self._runtime.worker.daemon
        if told is None or time.monotonic() - told[0] > _TOLD_WITHIN:
            return {"daemon": "unknown", "problems": ["the supervisor does not say"]}
        return {"daemon": told[1], "problems": told[2]}

    def metrics(self, connection: HttpConnection, request: HttpRequest) -> None:
        """The whole daemon's numbers; 503 when the supervisor does not answer, for some of them would mislead.

        However many ask, the supervisor is asked about once a second.
        """
        worker, now = self._runtime.worker, time.monotonic()
        if not worker.addresses.control:  # a lone process, as in a bench
            self._report()
            connection.answer(Answer(200, own(worker).encode(), TEXT))
        elif now < self._fresh_until and self._answered < _AT_ONCE:
            self._answered += 1
            connection.answer(self._exposition)
        else:
            self._waiting.append((now, connection))
            self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask the supervisor for the next numbers, when it is time."""
        if now >= self._fresh_until and (self._asked is None or now - self._asked > _TIMEOUT):
            self._asked = now
            self._runtime.worker.ask_metrics()

    def _take_metrics(self, text: bytes, fresh: float) -> None:
        self._asked = None
        self._answered = 0
        self._fresh_until = time.monotonic() + fresh
        self._exposition = Answer(200, text, TEXT)
        waiting, self._waiting = self._waiting, deque()
        for _, connection in waiting:
            connection.answer(self._exposition)

    def tick(self) -> None:
        """Answer those that have waited for too long, and ask for those that still wait."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] < now - _TIMEOUT:
            connection = self._waiting.popleft()[1]
            connection.answer(problem(503, "no_metrics", "the supervisor does not answer", retry_after=1))
        if self._waiting:
            self._ask(now)


def own(worker: Worker) -> str:
    """One process's counters and gauges in Prometheus' text format, version 0.0.4."""
    lines: list[str] = []
    for kind, suffix, values in (
        ("counter", "_total", dict(worker.metrics.counters)),
        ("gauge", "", dict(worker.metrics.gauges)),
    ):
        seen = set()
        for (name, labels), value in sorted(values.items()):
            series = f"etld_{name}{suffix}"
            if series not in seen:
                seen.add(series)
                lines.append(f"# TYPE {series} {kind}")
            pairs = ",".join(f'{key}="{_escape(text)}"' for key, text in (("worker", worker.name), *labels))
            lines.append(f"{series}{{{pairs}}} {value}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return re.sub(r'[\\"]', r"\\\g<0>", text).replace("\n", r"\n")
