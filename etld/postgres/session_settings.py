"""What etld's reading and writing depend on in a session, whatever server, database and role have set for it.

Left alone is what only makes things slower or faster, and `default_transaction_read_only`, by which a person keeps
writers out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATEMENT_TIMEOUT = 30.0
_ALWAYS = {
    "timezone": "UTC",
    "search_path": "public",
    # Texts of times, intervals, numbers and bytes, as the driver reads them and as they compare.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    # Literals, and NULL among the items of an array.
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    # A batch that waited for another sees what that has committed.
    "default_transaction_isolation": "read committed",
    # Rows that a policy hides from etld are an error, not rows that are not there.
    "row_security": "off",
    "exit_on_error": "off",
}
#: Those of a session that a transaction pooler keeps for its client, and that the driver looks at after a transaction.
KEPT_BY_POOLERS = ("datestyle", "timezone", "standard_conforming_strings")
# Limits of time that only newer servers know, with the first version.
_NEWER_LIMITS = {"transaction_timeout": 170_000, "idle_session_timeout": 140_000}


class ConnectionOptions(TypedDict, total=False):
    """How a connection behaves; times in seconds."""

    application_name: Required[str]
    password: str | None
    #: The address is that of a pooler that gives each transaction a session: see `pooled`.
    pooled: bool
    #: Default 5.
    connect_timeout: float
    #: Of a statement, at the server; default 30, 0 is no limit.
    statement_timeout: float
    #: Of a wait for a lock; 0, the default, is no limit.
    lock_timeout: float
    #: For a client that does nothing inside a transaction; by default as `statement_timeout`.
    idle_timeout: float
    #: A statement that has no answer within this time raises OperationalError and ends the connection; by default a
    #: little longer than `statement_timeout`.
    answer_within: float | None
    #: For work on tables that fill and empty faster than their statistics follow: each statement is planned for the
    #: tables as they are, not as when one was empty, and takes the first rows by an index in its order, however few
    #: seem to be there.
    queue: bool


def statement_timeout(options: ConnectionOptions) -> float:
    """Seconds that a statement may take at the server."""
    return options.get("statement_timeout", _STATEMENT_TIMEOUT)


def wanted(options: ConnectionOptions) -> dict[str, str]:
    """Every setting by name."""
    limit = statement_timeout(options)
    found = {
        **_ALWAYS,
        "statement_timeout": _milliseconds(limit),
        "lock_timeout": _milliseconds(options.get("lock_timeout", 0.0)),
        # A client that froze inside a transaction must not hold its locks for ever.
        "idle_in_transaction_session_timeout": _milliseconds(options.get("idle_timeout", limit)),
    }
    if options.get("queue"):
        found |= {"plan_cache_mode": "force_custom_plan", "enable_bitmapscan": "off"}
    return found


def newer_limits(server_version: int) -> dict[str, str]:
    """Those that no older server may be told in the first packet: it would refuse the connection."""
    return {name: "0" for name, first in _NEWER_LIMITS.items() if server_version >= first}


def as_options(settings: Mapping[str, str]) -> str:
    """For the first packet of a connection; they win over what a role or a database has set."""
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())


def as_statements(settings: Mapping[str, str], *, local: bool) -> bytes:
    """For a session, or for the transaction that has just begun: SET takes no snapshot."""
    scope = "LOCAL" if local else "SESSION"
    return "; ".join(f"SET {scope} {name} TO '{value}'" for name, value in settings.items()).encode()


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
