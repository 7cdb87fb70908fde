"""The static id of a member of a consumer group: whose it is can be read from it."""

from __future__ import annotations

import re

_DAEMON = re.compile(r"-[0-9a-f]{8}\.([0-9a-f]+)\Z")


def static_id(node: str, worker: str, topics: int, daemon: str) -> str:
    """Of a worker; `topics` is a checksum of what it reads, `daemon` a hexadecimal number for the daemon."""
    return f"{node}-{worker}-{topics:08x}.{daemon}"


def daemon_of(instance: str) -> str | None:
    """The daemon of a static id; None for one that etld did not make, or a version that named no daemon."""
    found = _DAEMON.search(instance)
    return found[1] if found else None
