"""metrics: every number of the daemon as Prometheus text."""

from __future__ import annotations

from typing import Any

from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, _request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return {"text": daemon.metrics()}
