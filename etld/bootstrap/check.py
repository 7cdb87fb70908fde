"""Would set-up of this version go on with the database as it is? Asked before an upgrade, of a separate process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.store import db
from etld.store.errors import DatabaseError, DatabaseProblem, classify
from etld.store.migrate import refuse_newer

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses


def run(config: Config, addresses: Addresses) -> None:
    """Refuse a database that a newer etld has migrated; raises DatabaseProblem. For one that is away set-up waits."""
    if addresses.postgres is None:
        return
    try:
        with db.connect(
            addresses.postgres,
            password=config.secret("postgres"),
            application_name="etld check",
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=config.postgres.connect_timeout,
        ) as conn:
            refuse_newer(conn)
    except DatabaseError as error:
        if classify(error) != "retry":
            raise DatabaseProblem(str(error)) from error
