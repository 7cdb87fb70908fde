"""Room for connections: each is an open file, and the process may have only so many."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger("etld.ingest")

# For the log, the producer's sockets, the listeners and what they open in passing.
OTHERS = 100


def room(connections: int) -> int:
    """Raise the limit of open files to what so many connections need; returns how many then have room.

    Past the limit a connection would be closed without an answer, so it is better to have fewer.
    """
    needed = connections + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return connections
    soft = needed if hard == unlimited else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == needed:
        return connections
    left = max(1, soft - OTHERS)
    log.warning(
        "the limit of open files is %d, so there is room for %d connections instead of max_connections = %d:"
        " raise it (ulimit -n, or LimitNOFILE= of systemd)",
        soft,
        left,
        connections,
    )
    return left
