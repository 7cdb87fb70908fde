"""pause: {"target"}: let workers stand still."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import text
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.pause(text(request, "target"), paused=True)
