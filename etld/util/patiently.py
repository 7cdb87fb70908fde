"""A call that may take long, in a thread of its own, while the caller shows that it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

Answer = TypeVar("Answer")
_LOOK_EVERY = 0.25


class TookTooLong(Exception):
    """The call did not end in time; it goes on by itself, and nobody waits for it."""


def patiently(call: Callable[[], Answer], beat: Callable[[], object], within: float) -> Answer:
    """What the call gives, or raises; `beat` is called four times a second.

    Raises `TookTooLong` after `within` seconds.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="call", daemon=True).start()
    deadline = time.monotonic() + within
    while True:
        beat()
        try:
            return future.result(_LOOK_EVERY)
        except NotYet:
            if future.done():
                raise  # the call's own
            if time.monotonic() >= deadline:
                raise TookTooLong from None
