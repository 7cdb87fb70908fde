"""The broker that the tests of one run share: a daemon on it gets topics and consumer groups of its own."""

from __future__ import annotations

from uuid import uuid4


def own_prefix() -> str:
    """A `[kafka] prefix` that nobody else has."""
    return f"t{uuid4().hex[:8]}-"


def settings(kafka: str) -> dict[str, str]:
    """What to configure a daemon with that is to work on the broker at this address, apart from all others."""
    return {"kafka.bootstrap_servers": kafka, "kafka.prefix": own_prefix()}
