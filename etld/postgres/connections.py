"""Connections to PostgreSQL, with the settings that all of etld works with."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from etld.postgres import dsn as dsn_parameters
from etld.postgres import servers, session_settings
from etld.postgres.arrays import Array
from etld.postgres.former_primaries import FORMER_PRIMARIES
from etld.postgres.session_settings import ConnectionOptions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

RV = TypeVar("RV")
Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]

# How often a statement that waits for its answer looks at the clock, and how much later than the server the
# client gives a statement up.
_LOOK_EVERY = 0.1
_LATER = 5.0
# A peer that vanished without a word is found out within about 6 s, before the worker counts as hung; a DSN may say
# otherwise, since no statement is waited for longer than `answer_within`.
_VANISHED = {"keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 6000}
# How PostgreSQL and libpq say that a connection is refused until a person changes something, with the SQLSTATE of it.
_REFUSALS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "authentication failed": "28000",
    "no pg_hba.conf entry": "28000",
    "is not permitted to log in": "28000",
    'FATAL:  role "': "28000",
    'FATAL:  database "': "3D000",
    "permission denied for database": "42501",
}


class TimedConnection(psycopg.Connection[Any]):
    """A connection that gives up what has no answer in time: the server's own limit needs a way to it.

    TCP does not notice when a proxy or a firewall on the way takes what is sent and passes nothing on.
    """

    answer_within: float | None = None

    def wait(self, gen: Generator[Any, Any, RV], interval: float = _LOOK_EVERY, timeout: float | None = None) -> RV:
        """As the driver's; after `answer_within` seconds the connection is over."""
        limit = self.answer_within if timeout is None else timeout
        if limit is None:
            return super().wait(gen, interval)
        try:
            return super().wait(_until(gen, time.monotonic() + limit), interval)
        except _NoAnswer:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {limit:g} s: the connection is given up") from None


class PooledConnection(TimedConnection):
    """A connection to a pooler that may give each transaction another session.

    So there is no statement outside of a transaction, and `begin_with` sets in each what a session would have.
    """

    begin_with: bytes = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = _PooledCursor

    @contextmanager
    def transaction(
        self,
        savepoint_name: str | None = None,
        force_rollback: bool = False,  # noqa: FBT002  # as the driver's
    ) -> Iterator[psycopg.Transaction]:
        """As the driver's, with the settings."""
        outermost = self.info.transaction_status == TransactionStatus.IDLE
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if outermost and self.begin_with:
                self.execute(self.begin_with)
            yield transaction


class _PooledCursor(psycopg.Cursor[Any]):
    """Opens a transaction for a statement that stands outside of one."""

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            return super().execute(*args, **kwargs)
        with self.connection.transaction():
            return super().execute(*args, **kwargs)


class _NoAnswer(Exception):
    """The time for an answer is over."""


def _until(gen: Generator[Any, Any, RV], deadline: float) -> Generator[Any, Any, RV]:
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise _NoAnswer
            wanted = gen.send(ready)
    except StopIteration as end:
        value: RV = end.value
        return value


def connect(dsn: str, **options: Unpack[ConnectionOptions]) -> Connection:
    """A connection in autocommit mode; transactions are opened in plain sight, with `conn.transaction()`.

    Raises psycopg.OperationalError, with an SQLSTATE when waiting does not mend it.
    """
    try:
        conn = connection_class(options).connect(conninfo_now(dsn, options), autocommit=True)
    except psycopg.OperationalError as error:
        explain(error)
        raise
    servers.answered(conninfo_to_dict(dsn), conn)
    configure(conn, options)
    return conn


def parameters(dsn: str) -> dict[str, str]:
    """What a DSN in either spelling says, by libpq's names; for drivers that take no DSN. Raises psycopg's errors."""
    return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}


def notice_its_end(conn: Connection) -> None:
    """Have the server give up what this client has begun within a second of its end, also amid a long statement.

    Else the locks of a command that was killed stay until the statement is done. Not every server can.
    """
    if not isinstance(conn, PooledConnection):
        with suppress(psycopg.Error):
            conn.execute("SET client_connection_check_interval = '1s'")


def conninfo(dsn: str, options: ConnectionOptions) -> str:
    """The DSN with all that libpq and the server are to know from the first packet on."""
    given: dict[str, Any] = conninfo_to_dict(dsn)
    servers.last_first(given)
    FORMER_PRIMARIES.ask_last(given)
    if not options.get("pooled"):
        settings = session_settings.as_options(session_settings.wanted(options))
        theirs = given.get("options") or os.environ.get("PGOPTIONS", "")
        given["options"] = f"{theirs} {settings}".strip()
    if password := options.get("password"):
        given["password"] = password
    elif "passfile" in given:
        # A DSN that names a file means that, and not the PGPASSWORD of the environment.
        given.setdefault("password", "")
    own = {
        "application_name": dsn_parameters.application_name(given.get("application_name"), options["application_name"]),
        "connect_timeout": _connect_timeout(given.get("connect_timeout"), options),
        "client_encoding": "UTF8",
    }
    return make_conninfo(**{**_VANISHED, **given, **own})


def conninfo_now(dsn: str, options: ConnectionOptions) -> str:
    """As `conninfo`, without servers that do not answer at this moment."""
    given: dict[str, Any] = conninfo_to_dict(conninfo(dsn, options))
    servers.leave_out_the_dark(given)
    return make_conninfo(**given)


def _connect_timeout(given: str | None, options: ConnectionOptions) -> int:
    """The shorter of what the DSN and etld allow."""
    own = max(2, int(options.get("connect_timeout", 5.0)))
    return min(own, int(given)) if given and given.isdecimal() and int(given) else own


def configure(conn: TimedConnection, options: ConnectionOptions) -> None:
    """What a new connection is told on this side."""
    answer_within, limit = options.get("answer_within"), session_settings.statement_timeout(options)
    if answer_within is None and limit:
        answer_within = limit + _LATER
    conn.answer_within = answer_within
    conn.adapters.register_dumper(list, Array)
    settings = session_settings.wanted(options)
    newer = session_settings.newer_limits(conn.info.server_version)
    if isinstance(conn, PooledConnection):
        conn.prepare_threshold = None
        kept = {name: settings[name] for name in session_settings.KEPT_BY_POOLERS}
        conn.execute(session_settings.as_statements(kept, local=False))
        newer.pop("idle_session_timeout", None)  # the pooler's own matter
        conn.begin_with = session_settings.as_statements({**settings, **newer}, local=True)
    elif newer:
        # SET alone: until it is done the server's own limits hold, and a look at pg_settings can take longer.
        conn.execute(session_settings.as_statements(newer, local=False))


def connection_class(options: ConnectionOptions) -> type[TimedConnection]:
    """The kind of connection that they ask for."""
    return PooledConnection if options.get("pooled") else TimedConnection


def explain(error: psycopg.OperationalError) -> None:
    """Add to an error of connecting what libpq leaves out: the SQLSTATE of a refusal, the lack of descriptors."""
    if "no error details" in str(error):
        # libpq has no words for a process that can open nothing.
        error.args = (f"{error}{_no_descriptors()}",)
    error.sqlstate = _state(str(error))


def _state(text: str) -> str | None:
    """The SQLSTATE that libpq does not hand on, where its text tells it: such a refusal is not waited out."""
    return next((state for words, state in _REFUSALS.items() if words in text), None)


def _no_descriptors() -> str:
    try:
        os.close(os.dup(0))
    except OSError as error:
        return f" ({error.strerror}: raise the limit of open files)"
    return ""
