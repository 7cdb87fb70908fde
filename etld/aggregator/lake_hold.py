"""Partitions whose time is over stay until the lake has all of their events: `[lake] hold_partitions`."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.sinks.iceberg import holding
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etld.postgres.connections import Connection
    from etld.sinks.iceberg.holding import Lacking, Proof
    from etld.sinks.postgres.partitions.catalog import EventPartition
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
_SQL = statements.load(__package__, "retention")
# A lake that reads on has it by then.
_PATIENCE = timedelta(hours=1)
# To look is to read the whole partition: a share of the time at most, in seconds.
_LOOK_EVERY, _SHARE = 5.0, 20.0


class LakeHold:
    """Of one keeper of the partitions; `problem` says why one stays for long, or for ever."""

    def __init__(self, worker: Worker, cluster_id: str) -> None:
        self._worker = worker
        self._cluster_id = cluster_id
        #: The partition; "" until anything is known.
        self._held: str | None = ""
        self._next_look = 0.0
        self.problem: str | None = None

    def proof(self, conn: Connection) -> Proof | None:
        """What the lake has for sure; None where that does not matter. Raises the database's errors."""
        return holding.read(conn, self._cluster_id) if self._worker.config.lake.hold_partitions else None

    def holds(self, conn: Connection, leaf: EventPartition) -> bool:
        """Is a partition to stay for now? What only a backfill brings to the lake is ordered.

        Raises the database's errors.
        """
        if self._held == leaf.name and time.monotonic() < self._next_look:
            return True
        began = time.monotonic()
        proof = self.proof(conn)
        lacking = [] if proof is None else proof.lacking(conn, leaf.table)
        if not lacking:
            return False
        row = conn.execute(_SQL.hold, {"name": leaf.name}).fetchone()
        if row is not None:
            self._note(leaf, lacking, *row)
        for one in lacking:
            if one.to_fill and self._is_written(one.event_type) and holding.order(conn, one, "retention"):
                log.info("%s: the lake is filled with %s from %s on", leaf.name, one.event_type, one.oldest)
        now = time.monotonic()
        self._held, self._next_look = leaf.name, now + max(_LOOK_EVERY, _SHARE * (now - began))
        return True

    def let_go(self, conn: Connection) -> None:
        """No partition is held any more."""
        self.problem = None
        if self._held is not None:
            self._held = None
            conn.execute(_SQL.let_go)

    def _note(self, leaf: EventPartition, lacking: Sequence[Lacking], since: datetime, now: datetime) -> None:
        rows = ", ".join(f"{thousands(one.rows)} of {one.event_type}" for one in lacking)
        text = f"partition {leaf.name} stays though its time is over, for the lake does not have all of it yet: {rows}"
        if self._held != leaf.name:
            log.info("%s", text)
        never = [one.event_type for one in lacking if not self._is_written(one.event_type)]
        if never:
            what = "the lake is off" if self._is_off else f"no worker writes {', '.join(never)} to it"
            self.problem = f"{text}, and {what}; lake.hold_partitions = false lets it go"
        else:
            self.problem = text if now - since > _PATIENCE else None

    @property
    def _is_off(self) -> bool:
        lake = self._worker.config.lake
        return not lake.enabled or not lake.workers

    def _is_written(self, event_type: str) -> bool:
        return not self._is_off and event_type in self._worker.config.event_types
