"""How a process ended, in words."""

from __future__ import annotations

import signal


def describe(code: int) -> str:
    """An exit code, negative for a signal (as subprocess has it), in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
