"""drain: {"within"?}: refuse new events; answers when all that was accepted is processed, or not within the seconds."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import seconds
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.drain(timeout=seconds(request, "within"))
