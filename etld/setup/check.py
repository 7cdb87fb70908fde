"""Would set-up of this version go on with the database as it is? Asked before an upgrade, of a separate process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import connections
from etld.postgres.access import access
from etld.postgres.errors import DatabaseError, DatabaseProblem, classify
from etld.postgres.migrate import refuse_newer

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses


def run(config: Config, addresses: Addresses) -> None:
    """Refuse a database that a newer etld has migrated; raises DatabaseProblem. For one that is away set-up waits."""
    if addresses.postgres is None:
        return
    try:
        with connections.connect(
            addresses.postgres,
            **access(config),
            application_name="etld check",
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=config.postgres.connect_timeout,
        ) as conn:
            refuse_newer(conn)
    except DatabaseError as error:
        if classify(error) != "retry":
            raise DatabaseProblem(str(error)) from error
