"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(cond: Callable[[], T], timeout: float = 20.0, what: str = "", interval: float = 0.05) -> T:
    """The first true value of cond(); AssertionError that names `what` after `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        value = cond()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(
                f"not within {timeout:g} s: {what or getattr(cond, '__name__', 'condition')}; last: {value!r}"
            )
        time.sleep(interval)
