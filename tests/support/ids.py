"""Event ids of every kind that clients make."""

from __future__ import annotations

import datetime as dt
import os
import uuid

KINDS = ("v1", "v4", "v5", "v7")


def id_at(kind: str, when: dt.datetime) -> str:
    """An id of a version of RFC 9562; the time in that of a v7 is `when`."""
    if kind == "v1":
        return str(uuid.uuid1())
    if kind == "v4":
        return str(uuid.uuid4())
    if kind == "v5":
        return str(uuid.uuid5(uuid.NAMESPACE_URL, os.urandom(8).hex()))
    milliseconds = int(when.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | int.from_bytes(os.urandom(7))))
