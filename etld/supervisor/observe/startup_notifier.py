"""Telling whoever started the daemon how that goes: JSON lines over a pipe."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from etld.errors import coded
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import SlotState

if TYPE_CHECKING:
    from etld.supervisor.slots.machine import WorkerSlot
    from etld.worker import Addresses


class StartupNotifier:
    """Writes to the pipe until the start is decided; without a pipe it does nothing."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._last_told: dict[str, str] = {}
        if fd is not None:
            os.set_blocking(fd, False)

    def progress(self, slots: Iterable[WorkerSlot], told: Mapping[str, str]) -> None:
        """What each worker that is not up is doing, when it changes; `told` is what slow ones report, by name."""
        if self._fd is None:
            return
        for slot in slots:
            text = told.get(slot.name) or str(policy.shown_state(slot))
            if slot.state is SlotState.BACKOFF or (slot.failures and not slot.settled):
                text = slot.last_error
            elif slot.settled:
                text = "ready"
            elif slot.state is SlotState.WAITING and not told.get(slot.name):
                continue
            if self._last_told.get(slot.name) != text:
                self._last_told[slot.name] = text
                self._write({"worker": slot.name, "progress": text, "trouble": bool(slot.failures)})

    def started(self, addresses: Addresses, given_up: Iterable[WorkerSlot]) -> None:
        """Every worker is up, or given up."""
        wrong = [coded(f"{slot.name}: {slot.last_error}", policy.code_of_slot(slot)) for slot in given_up]
        self._write({"started": True, "addresses": addresses.as_dict(), "given_up": wrong})
        self.close()

    def failed(self, reason: str, code: str) -> None:
        """It will not start; `code` is that of the catalogue."""
        self._write({"failed": reason, "explain": code})

    def close(self) -> None:
        """Close the pipe."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, message: dict[str, Any]) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # nobody reads it any more
                os.write(self._fd, json.dumps(message).encode() + b"\n")
