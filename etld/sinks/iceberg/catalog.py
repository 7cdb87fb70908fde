"""The catalog of the lake, as the configuration names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.catalog import load_catalog
from sqlalchemy.engine import URL

from etld.errors import EtldError
from etld.logs import hide
from etld.postgres.access import session_access
from etld.postgres.connections import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.catalog import Catalog

    from etld.config import Config

#: What the catalog is called in the rows of a SQL catalog.
NAME = "etld"
# Seconds: object storage that says nothing is asked again.
_PATIENCE = {"s3.connect-timeout": "5", "s3.request-timeout": "20"}


def open_catalog(config: Config, address: str | None) -> Catalog:
    """The catalog, ready to be asked; `address` is PostgreSQL's.

    Raises `EtldError` for credentials that cannot be read, and whatever a catalog raises that does not answer.
    """
    return load_catalog(NAME, **properties(config, address))


def properties(config: Config, address: str | None) -> dict[str, str]:
    """What pyiceberg is told: https://py.iceberg.apache.org/configuration/."""
    lake = config.lake
    warehouse = lake.warehouse or str(config.state_dir / "lake")
    if warehouse.startswith("/"):
        warehouse = f"file://{warehouse}"
    found = {"warehouse": warehouse, **_PATIENCE}
    if warehouse.startswith("file:"):
        found["py-io-impl"] = "etld.sinks.iceberg.local_files.DurableFileIO"
    if lake.is_embedded:
        if address is None:
            raise EtldError("the lake's catalog is in PostgreSQL, and no address of it is known", code="ETLD-L004")
        found |= {"type": "sql", "uri": _url(config, address), "init_catalog_tables": "false", "pool_pre_ping": "true"}
    else:
        found["type"] = lake.catalog
    found |= {name: _text(value) for name, value in lake.properties.items()}
    return found | dict(_secret(config))


def _secret(config: Config) -> Iterator[tuple[str, str]]:
    """The lines of the file of credentials, which no log line shows from now on."""
    path = config.lake.credentials_file
    if path is None:
        return
    for number, line in enumerate((config.secret("lake") or "").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name:
            raise EtldError(f"lake.credentials_file: {path}, line {number}: expected name = value", code="ETLD-L004")
        hide(value)
        yield name, value


def _text(value: str | int | bool) -> str:  # a value, whatever its type
    return str(value).lower() if isinstance(value, bool) else str(value)


def _url(config: Config, address: str) -> str:
    """PostgreSQL as SQLAlchemy names it; the catalog's tables are in schema etld."""
    direct, access = session_access(config, address)
    given = parameters(direct)
    options = f"{given.pop('options', '')} -c search_path=etld -c statement_timeout={int(_limit(config) * 1000)}"
    query = {
        **given,
        "application_name": "etld lake catalog",
        "connect_timeout": str(max(2, int(config.postgres.connect_timeout))),
        "options": options.strip(),
    }
    if access["password"]:
        query["password"] = access["password"]
    return URL.create("postgresql+psycopg", query=query).render_as_string(hide_password=False)


def _limit(config: Config) -> float:
    return config.postgres.statement_timeout
