"""Who makes partitions connects as who made the table."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etld.postgres import connections
from etld.postgres.access import maker
from etld.postgres.errors import DatabaseError
from etld.sinks.postgres.partitions import catalog

if TYPE_CHECKING:
    from etld.postgres.connections import Connection
    from etld.worker import Worker

log = logging.getLogger("etld.postgres")


def connect(worker: Worker, purpose: str, statement_timeout: float = 0.0) -> Connection:
    """A connection that may make and drop partitions; raises the database's errors.

    `statement_timeout` in seconds; 0, no limit: to look at a hundred million rows takes minutes.
    """
    config = worker.config
    assert worker.addresses.postgres is not None
    address, who = maker(config, worker.addresses.postgres)
    return connections.connect(
        address,
        **who,
        application_name=f"etld {worker.name} {purpose}",
        connect_timeout=config.postgres.connect_timeout,
        statement_timeout=statement_timeout,
    )


def make_ahead(worker: Worker) -> None:
    """Make what is missing, for a role that needs it; whoever keeps the partitions tells what is in the way."""
    with suppress(DatabaseError), connect(worker, "partitions", worker.config.postgres.statement_timeout) as conn:
        if catalog.is_partitioned(conn):
            for leaf in catalog.make_ahead(conn, worker.config.storage.period or "month", datetime.now(UTC)):
                log.info("made partition %s, from %s to %s", leaf.name, leaf.lower, leaf.upper)
