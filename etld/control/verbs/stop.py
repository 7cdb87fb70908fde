"""stop: end the daemon; {"quick": true} does not wait for what is under way."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import flag
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.stop(quick=flag(request, "quick"))
