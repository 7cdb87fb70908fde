"""restart: {"target"?}: replace workers one by one; without a target the supervisor too."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import text
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.restart(text(request, "target") if "target" in request else None)
