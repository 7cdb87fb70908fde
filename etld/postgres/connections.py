"""Connections."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

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


class _Timely(psycopg.Connection[Any]):
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


def connect(
    dsn: str,
    *,
    application_name: str,
    password: str | None = None,
    connect_timeout: float = 5.0,
    statement_timeout: float = 30.0,
    lock_timeout: float = 0.0,
    idle_timeout: float | None = None,
    answer_within: float | None = None,
    queue: bool = False,
) -> Connection:
    """A connection in autocommit mode; times in seconds, 0 is no limit.

    `idle_timeout`, by default as `statement_timeout`, is for a client that does nothing inside a transaction.
    A statement that has no answer within `answer_within` (by default a little longer than `statement_timeout`)
    raises OperationalError and ends the connection. `queue` is for work on tables that fill and empty faster than
    their statistics follow: each statement is planned for the tables as they are, not as when one was empty, and
    takes the first rows by an index in its order, however few seem to be there. Transactions are opened in plain
    sight, with `conn.transaction()`. Raises psycopg.OperationalError, with an SQLSTATE when waiting does not mend it.
    """
    if idle_timeout is None:
        idle_timeout = statement_timeout
    given: dict[str, Any] = conninfo_to_dict(dsn)
    options = " ".join(
        [
            str(given.pop("options", "") or ""),
            f"-c statement_timeout={int(statement_timeout * 1000)}",
            f"-c lock_timeout={int(lock_timeout * 1000)}",
            # A client that froze inside a transaction must not hold its locks for ever.
            f"-c idle_in_transaction_session_timeout={int(idle_timeout * 1000)}",
            "-c timezone=UTC -c client_encoding=UTF8 -c search_path=public",
            "-c plan_cache_mode=force_custom_plan -c enable_bitmapscan=off" if queue else "",
        ]
    ).strip()
    if password:
        given["password"] = password
    info = make_conninfo(
        **given,
        application_name=application_name,
        connect_timeout=max(2, int(connect_timeout)),
        options=options,
        # A peer that vanished without a word is found out within about 6 s, before the worker counts as hung.
        keepalives_idle=3,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=6000,
    )
    try:
        conn = _Timely.connect(info, autocommit=True)
    except psycopg.OperationalError as error:
        if "no error details" in str(error):
            # libpq has no words for a process that can open nothing.
            raise psycopg.OperationalError(f"{error}{_no_descriptors()}") from error
        error.sqlstate = _state(str(error))
        raise
    if answer_within is None and statement_timeout:
        answer_within = statement_timeout + _LATER
    conn.answer_within = answer_within
    conn.adapters.register_dumper(list, Array)
    return conn


def _state(text: str) -> str | None:
    """The SQLSTATE that libpq does not hand on, where its text tells it: such a refusal is not waited out."""
    return next((state for words, state in _REFUSALS.items() if words in text), None)


def _no_descriptors() -> str:
    try:
        os.close(os.dup(0))
    except OSError as error:
        return f" ({error.strerror}: raise the limit of open files)"
    return ""
