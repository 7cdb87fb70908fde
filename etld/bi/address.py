"""How a BI tool reaches PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What Superset puts, and takes, in the place of a password.
MASK = "XXXXXXXXXX"
#: Parameters of libpq that mean something on another machine too.
_CARRIED = ("sslmode", "target_session_attrs", "sslrootcert")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """As whom, where, with which parameters of libpq."""

    user: str
    host: str
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, str], user: str = "") -> DatabaseAddress:
        """From the parts of a DSN; `user` takes the place of its own. Of several hosts it is the first."""
        return cls(
            user or given.get("user", ""),
            given.get("host", "localhost").partition(",")[0],
            int(given.get("port", "5432").partition(",")[0]),
            given.get("dbname") or given.get("user", "etld"),
            tuple((name, given[name]) for name in _CARRIED if name in given),
        )

    def uri(self, password: str = MASK) -> str:
        """As SQLAlchemy writes it."""
        given = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.parameters)
        user, secret = quote(self.user, safe=""), quote(password, safe="")
        where = f"{self.host}:{self.port}" if ":" not in self.host else f"[{self.host}]:{self.port}"
        return f"postgresql+psycopg2://{user}:{secret}@{where}/{quote(self.database)}{f'?{given}' if given else ''}"

    def uri_by_file(self, passfile: Path) -> str:
        """The same, with the password in libpq's file."""
        return (
            f"postgresql+psycopg2://{self.user}@{self.host}:{self.port}/{self.database}?passfile={quote(str(passfile))}"
        )
