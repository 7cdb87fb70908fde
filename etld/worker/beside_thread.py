"""Work beside a worker's loop that is in no hurry."""

from __future__ import annotations

import contextlib
import os
import threading
from abc import ABC, abstractmethod

_NICE = 10


class BesideThread(ABC):
    """A thread of low priority, which ends with the worker; `name` is the thread's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless that is done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._begin, name=self._name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop; what is under way is begun again by the next process."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(3.0)

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stop` is set."""

    def _begin(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        self._run()
