"""reload: take the edited configuration; {"dry_run": true} only tells the plan."""

from __future__ import annotations

from typing import Any

from etld.control.arguments import flag
from etld.control.daemon import Answer, Daemon


def run(daemon: Daemon, request: dict[str, Any]) -> Answer:
    """Answer one request."""
    return daemon.reload(dry_run=flag(request, "dry_run"))
