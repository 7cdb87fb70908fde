"""What workers report (etld.worker.channel lists it), and what becomes of their slots by it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etld.supervisor.slots import machine

if TYPE_CHECKING:
    from etld.supervisor.observe.metrics_store import MetricsStore
    from etld.supervisor.processes.spawn import Process
    from etld.supervisor.slots.machine import WorkerSlot
    from etld.supervisor.slots.table import SlotTable

log = logging.getLogger("etld.supervisor")


class WorkerMessages:
    """`on_ready` is called with the name of a slot that has become ready, `on_scrape` with who wants metrics."""

    def __init__(
        self,
        slots: SlotTable,
        metrics: MetricsStore,
        on_ready: Callable[[str], None],
        on_scrape: Callable[[Process], None],
    ) -> None:
        self._slots = slots
        self._metrics = metrics
        self._on_ready = on_ready
        self._on_scrape = on_scrape

    def take(self, process: Process, message: dict[str, Any]) -> None:
        """Take one message. Raises ValueError, TypeError, KeyError, AttributeError for one that is not valid."""
        what = message.get("type")
        if what == "beat":
            self._metrics.beat(process.pid, message, time.monotonic())
        elif what == "metrics":
            self._on_scrape(process)
        elif what == "reloaded":
            process.taken += 1
            refused = message.get("error")
            process.refused = None if refused is None else str(refused)
        slot = self._slots.get(process.name)
        if slot is not None and slot.pid == process.pid:
            self._change(slot, process, message, time.monotonic())

    def _change(self, slot: WorkerSlot, process: Process, message: dict[str, Any], now: float) -> None:
        what = message.get("type")
        if what == "ready":
            self._slots.put(machine.is_ready(slot, now))
            process.progress = None
            log.info("%s: ready after %.1f s", slot.name, now - slot.spawned)
            self._on_ready(slot.name)
            return
        slot = machine.is_heard(slot, now)
        self._slots.put(slot)
        if what == "progress":
            process.progress = str(message["text"])
        elif what == "paused":
            found = message.get("positions", ())
            process.positions = {(str(topic), int(number)): int(offset) for topic, number, offset in found}
            self._slots.put(machine.is_at_rest(slot))
        elif what in ("fatal", "error"):
            text = str(message.get("reason") or message.get("message"))
            no_place = message.get("daemon") is True
            code = str(message.get("explain") or "")
            self._slots.put(machine.complained(slot, text, code, fatal=what == "fatal", no_place=no_place))
