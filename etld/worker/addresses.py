"""Where the other parts are, as the supervisor resolved it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from etld.config.secrets import hidden

EMBEDDED = "embedded"
#: Who clients are to the embedded broker.
KAFKA_USER = "etld"
_MAY_BE_LEFT_OUT = ("kafka_passfile", "console")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Resolved addresses; a role sees only what it may use.

    `kafka` is "host:port,host:port"; `postgres` a DSN that names a password file but holds no
    password (None for ingest); `schema_registry` a URL or the word "embedded" (a table in
    PostgreSQL); `http` and `control` are what a client connects to. `kafka_passfile` holds the password
    of the user KAFKA_USER, which the embedded broker asks for; None for a broker of somebody else's, and
    for an embedded one that asks for none. `console` is what a browser opens; None without one.
    """

    http: str
    kafka: str
    postgres: str | None
    schema_registry: str
    control: str
    kafka_passfile: str | None = None
    console: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """The addresses by name, to be shown: without a password."""
        shown = {**asdict(self), "schema_registry": hidden(self.schema_registry)}
        return {name: value for name, value in shown.items() if value is not None or name not in _MAY_BE_LEFT_OUT}

    @classmethod
    def from_dict(cls, values: dict[str, str | None]) -> Addresses:
        """The inverse of as_dict(), as far as that shows all."""
        return cls(
            http=values["http"] or "",
            kafka=values["kafka"] or "",
            postgres=values["postgres"],
            schema_registry=values["schema_registry"] or EMBEDDED,
            control=values["control"] or "",
            console=values.get("console"),
            kafka_passfile=values.get("kafka_passfile"),
        )
