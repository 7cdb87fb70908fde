"""What an aggregator has to do with the other hosts: the leases, hosts that are away, a database that went over."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING

from etld.postgres import hosts, lease
from etld.postgres.errors import DatabaseError
from etld.postgres.lease import Leases
from etld.schemas import registered
from etld.schemas.registry.table import put_back
from etld.sinks.postgres.unwrap import connection_of
from etld.worker import EMBEDDED

if TYPE_CHECKING:
    from etld.sinks.base import SideConnection
    from etld.worker import Worker

_NAMES = (lease.CHARTS, lease.STORAGE, lease.SUMMARIES, lease.HOSTS)
_HOSTS_EVERY = 5.0
#: Seconds: after a longer pause between two looks at the leases, silence of others says nothing.
_INTERRUPTED = 2 * lease.RENEW_EVERY


class ClusterDuties:
    """`leases` are those that this worker holds, of all that aggregators share."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        node = worker.config.node_id
        self.leases = Leases(f"{node}/{worker.name}#{secrets.token_hex(4)}", node, _NAMES)
        self._side: SideConnection | None = None
        self._look_after_hosts = 0.0
        self._kept_at = 0.0
        self._timeline = 0

    def keep(self, side: SideConnection, cluster_id: str) -> None:
        """Renew the leases, and tell of hosts that are away where that is ours to do. Raises the database's errors."""
        self._side = side
        conn = connection_of(side)
        held, since = self.leases.holds(lease.HOSTS), time.monotonic() - self._kept_at
        self.leases.keep(conn)
        now = self._kept_at = time.monotonic()
        if not self.leases.holds(lease.HOSTS):
            self._worker.fault("hosts", None)
        elif not held or since > _INTERRUPTED:
            # Perhaps the database was away, and nobody could beat: now all have the time to.
            self._look_after_hosts = now + hosts.AWAY
        elif now >= self._look_after_hosts:
            self._look_after_hosts = now + _HOSTS_EVERY
            self._worker.fault("hosts", hosts.away(conn, cluster_id))

    def have_failed_over(self, side: SideConnection) -> bool:
        """Did PostgreSQL go over to another server since the last call?

        That may have been behind: schemas that were registered last are seen to. Raises the database's errors.
        """
        conn, config = connection_of(side), self._worker.config
        before, self._timeline = self._timeline, lease.timeline(conn)
        if before == self._timeline:
            return False
        if self._worker.addresses.schema_registry == EMBEDDED:
            put_back(conn, (registered.read(config.schemas_path) or {}).values())
        return bool(before)

    def close(self) -> None:
        """Let others have the leases."""
        if self._side is not None:
            with contextlib.suppress(DatabaseError):  # then their time runs out
                self.leases.release(connection_of(self._side))
