"""Who etld is to PostgreSQL, and over which way, as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from etld.config import Config


class Access(TypedDict):
    """Keywords of `connections.connect`."""

    password: str | None
    pooled: bool


def access(config: Config) -> Access:
    """For the address of `postgres.dsn`."""
    return {"password": config.secret("postgres"), "pooled": config.postgres.pooler == "transaction"}


def maker(config: Config, address: str) -> tuple[str, Access]:
    """(address, keywords) of who makes and changes tables: by `postgres.migration_dsn` where there is one."""
    if config.postgres.migration_dsn:
        theirs, password = config.migration_dsn()
        return theirs, {"password": password, "pooled": False}
    return address, access(config)


def session_access(config: Config, address: str) -> tuple[str, Access]:
    """(address, keywords) for work that needs one session: by `postgres.direct_dsn` where there is one."""
    direct = config.direct_dsn()
    return (direct or address), {**access(config), "pooled": config.postgres.pooler == "transaction" and not direct}
