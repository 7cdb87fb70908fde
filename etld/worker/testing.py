"""A Worker without a supervisor, so that a role can run in a test's thread or process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etld.worker.addresses import Addresses
from etld.worker.metrics import key
from etld.worker.slot import SlotSpec
from etld.worker.worker import Worker

if TYPE_CHECKING:
    from etld.config import Config


class LocalWorker(Worker):
    """Records what a supervisor would be told; stop(), pause(), resume() and reload() are its messages.

    `messages` are all but the beats, `metrics` the counters, gauges, lags, totals and faults.
    """

    def __init__(
        self,
        config: Config,
        kind: str,
        name: str,
        addresses: Addresses,
        *,
        event_type: str | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        super().__init__(config, SlotSpec(name, kind, event_type=event_type), addresses, sockets=sockets)
        self.ready_event = threading.Event()
        self.messages: list[dict[str, Any]] = []
        self.beats = 0
        self._inbox: list[dict[str, Any]] = []

    def stop(self) -> None:
        """As SIGTERM does."""
        self.request_stop()

    def pause(self) -> None:
        """As `etld pause` does."""
        self.post({"type": "pause"})

    def resume(self) -> None:
        """As `etld resume` does."""
        self.post({"type": "resume"})

    def reload(self, config: Config) -> None:
        """As a reload that needs no restart does."""
        self.post({"type": "reload", "config": config})

    def counter(self, name: str, **labels: object) -> int:
        """A counter's value: of exactly these labels, or without any the sum over all."""
        if labels:
            return self.metrics.counters.get(key(name, labels), 0)
        return sum(value for (counter, _), value in list(self.metrics.counters.items()) if counter == name)

    def beat(self, *, force: bool = False) -> None:
        """As a worker's, but what the test posted is taken at once."""
        super().beat(force=force)
        if self._inbox:
            self.receive()

    def receive(self) -> None:
        """Take what the test posted."""
        super().receive()
        while self._inbox:
            self._take(self._inbox.pop(0))

    @contextlib.contextmanager
    def running(self, run: Any, timeout: float = 30.0) -> Any:
        """run(self) in a thread, ready before the body starts, stopped and joined after it."""
        failure: list[BaseException] = []

        def body() -> None:
            try:
                run(self)
            except BaseException as error:
                failure.append(error)
                self.ready_event.set()

        thread = threading.Thread(target=body, name=self.name, daemon=True)
        thread.start()
        try:
            if not self.ready_event.wait(timeout):
                raise TimeoutError(f"{self.name} was not ready within {timeout:.0f} s")
            if failure:
                raise failure[0]
            yield self
        finally:
            self.stop()
            thread.join(timeout)
        if failure:
            raise failure[0]

    def post(self, message: dict[str, Any]) -> None:
        """As the supervisor sends it."""
        self._inbox.append(message)
        self._wakeup()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "reload":
            self._reload(message["config"])
        else:
            super()._take(message)

    def _beat(self) -> None:
        self.beats += 1

    def _send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "ready":
            self.ready_event.set()
