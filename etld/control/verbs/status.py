"""status: every worker, address and total."""

from __future__ import annotations

from typing import Any

from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, _request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.status()
