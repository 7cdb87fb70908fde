"""A worker's connection for what it does beside its batches, in a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import connections
from etld.postgres.access import access

if TYPE_CHECKING:
    from etld.postgres.connections import Connection
    from etld.worker import Worker


def connect(worker: Worker, purpose: str) -> Connection:
    """A connection named after worker and purpose, within the limits of [postgres]; raises the database's errors."""
    config = worker.config
    assert worker.addresses.postgres is not None
    return connections.connect(
        worker.addresses.postgres,
        **access(config),
        application_name=f"etld {worker.name} {purpose}",
        connect_timeout=config.postgres.connect_timeout,
        statement_timeout=config.postgres.statement_timeout,
    )
