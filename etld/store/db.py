"""Connections."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]


def connect(
    dsn: str,
    *,
    application_name: str,
    password: str | None = None,
    connect_timeout: float = 5.0,
    statement_timeout: float = 30.0,
    lock_timeout: float = 0.0,
) -> Connection:
    """A connection in autocommit mode; times in seconds, 0 is no limit.

    Transactions are opened in plain sight, with `conn.transaction()`. Raises psycopg.OperationalError.
    """
    given: dict[str, Any] = conninfo_to_dict(dsn)
    options = " ".join(
        [
            str(given.pop("options", "") or ""),
            f"-c statement_timeout={int(statement_timeout * 1000)}",
            f"-c lock_timeout={int(lock_timeout * 1000)}",
            # A client that froze inside a transaction must not hold its locks for ever.
            f"-c idle_in_transaction_session_timeout={int(statement_timeout * 1000)}",
            "-c timezone=UTC -c client_encoding=UTF8 -c search_path=public",
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
        return psycopg.connect(info, autocommit=True)
    except psycopg.OperationalError as error:
        if "no error details" in str(error):
            # libpq has no words for a process that can open nothing.
            raise psycopg.OperationalError(f"{error}{_no_descriptors()}") from error
        raise


def _no_descriptors() -> str:
    try:
        os.close(os.dup(0))
    except OSError as error:
        return f" ({error.strerror}: raise the limit of open files)"
    return ""
