"""scale: {"target", "count"}: how many workers of a kind run."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import number, text
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.scale(text(request, "target"), number(request, "count", 0, 64))
