"""Connections to PostgreSQL, with the settings that all of etld works with."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Required, TypedDict, TypeVar, Unpack

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from etld.postgres.arrays import Array

if TYPE_CHECKING:
    from collections.abc import Generator

RV = TypeVar("RV")
Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]

# How often a statement that waits for its answer looks at the clock, and how much later than the server the
# client gives a statement up.
_LOOK_EVERY = 0.1
_LATER = 5.0
_STATEMENT_TIMEOUT = 30.0
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


class ConnectionOptions(TypedDict, total=False):
    """How a connection behaves; times in seconds."""

    application_name: Required[str]
    password: str | None
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


def connect(dsn: str, **options: Unpack[ConnectionOptions]) -> Connection:
    """A connection in autocommit mode; transactions are opened in plain sight, with `conn.transaction()`.

    Raises psycopg.OperationalError, with an SQLSTATE when waiting does not mend it.
    """
    try:
        conn = TimedConnection.connect(conninfo(dsn, options), autocommit=True)
    except psycopg.OperationalError as error:
        explain(error)
        raise
    configure(conn, options)
    return conn


def conninfo(dsn: str, options: ConnectionOptions) -> str:
    """The DSN with all that libpq and the server are to know from the first packet on."""
    given: dict[str, Any] = conninfo_to_dict(dsn)
    statement_timeout = options.get("statement_timeout", _STATEMENT_TIMEOUT)
    settings = [
        str(given.pop("options", "") or ""),
        f"-c statement_timeout={int(statement_timeout * 1000)}",
        f"-c lock_timeout={int(options.get('lock_timeout', 0.0) * 1000)}",
        # A client that froze inside a transaction must not hold its locks for ever.
        f"-c idle_in_transaction_session_timeout={int(options.get('idle_timeout', statement_timeout) * 1000)}",
        "-c timezone=UTC -c client_encoding=UTF8 -c search_path=public",
        "-c plan_cache_mode=force_custom_plan -c enable_bitmapscan=off" if options.get("queue") else "",
    ]
    if password := options.get("password"):
        given["password"] = password
    return make_conninfo(
        **given,
        application_name=options["application_name"],
        connect_timeout=max(2, int(options.get("connect_timeout", 5.0))),
        options=" ".join(settings).strip(),
        # A peer that vanished without a word is found out within about 6 s, before the worker counts as hung.
        keepalives_idle=3,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=6000,
    )


def configure(conn: TimedConnection, options: ConnectionOptions) -> None:
    """What a new connection is told on this side."""
    answer_within, statement_timeout = (
        options.get("answer_within"),
        options.get("statement_timeout", _STATEMENT_TIMEOUT),
    )
    if answer_within is None and statement_timeout:
        answer_within = statement_timeout + _LATER
    conn.answer_within = answer_within
    conn.adapters.register_dumper(list, Array)


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
