"""logs: {"lines"?}: where the log goes, and its last lines where it is a file."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import number
from etld.control.daemon import Answer, Daemon

MOST = 1000


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.logs(number(request, "lines", 0, MOST) if "lines" in request else 100)
