"""What an error of PostgreSQL means for the batch that met it."""

from __future__ import annotations

from typing import Literal

import psycopg

from etld.errors import EtldError

Verdict = Literal["retry", "stop", "data", "conflict"]

# What callers catch, so that only this package knows the driver.
DatabaseError = psycopg.Error
OperationalError = psycopg.OperationalError
UndefinedTable = psycopg.errors.UndefinedTable

#: The SQLSTATE of a lock that was not had within lock_timeout.
LOCK_NOT_AVAILABLE = "55P03"

_UNIQUE_VIOLATION = "23505"
_RETRY_CODES = frozenset({"40001", "40P01", LOCK_NOT_AVAILABLE, "25006", "25P03"})
_RETRY_CLASSES = frozenset({"08", "53", "57", "58", "XX"})
_DATA_CLASSES = frozenset({"22", "23"})
# Limits of the server that a row passes: for an index (54000), or in depth (54001). How many columns a table and
# arguments a function may have (54011, 54023) is how the database is set up.
_DATA_CODES = frozenset({"54000", "54001"})


class DatabaseProblem(EtldError):
    """PostgreSQL cannot be used as it is; the message says what to mend."""

    code = "ETLD-P024"


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of an error, if the server sent one."""
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def constraint(error: BaseException) -> str | None:
    """The name of the constraint that an error is about, if the server sent one."""
    return error.diag.constraint_name if isinstance(error, psycopg.Error) else None


def classify(error: BaseException) -> Verdict:
    """Whose fault an error is, by its SQLSTATE.

    "retry": the server or the way to it, so the same batch goes again, for ever.
    "stop": schema or rights, so nothing goes until a person mends them.
    "data": a record in the batch. "conflict": an event id that is stored already.
    Classes: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    code = sqlstate(error)
    if code is None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError):
            return "retry"
        # Refused on the client's side: NUL in text is a DataError, a lone surrogate a UnicodeEncodeError.
        return "data" if isinstance(error, psycopg.DataError | UnicodeError) else "stop"
    if code == _UNIQUE_VIOLATION:
        return "conflict"
    if code in _RETRY_CODES or code[:2] in _RETRY_CLASSES:
        return "retry"
    if code in _DATA_CODES or code[:2] in _DATA_CLASSES:
        return "data"
    return "stop"
