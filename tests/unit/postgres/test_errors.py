"""What an error of PostgreSQL means: every class of SQLSTATE that the writer tells apart."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from etld.postgres.errors import classify

TABLE = [
    ("08000", "retry", "the connection has a problem"),
    ("08001", "retry", "no connection could be made"),
    ("08003", "retry", "there is no connection"),
    ("08004", "retry", "the server refused the connection"),
    ("08006", "retry", "the connection broke"),
    ("08P01", "retry", "the protocol was broken"),
    ("40001", "retry", "serialization failure"),
    ("40P01", "retry", "deadlock"),
    ("53100", "retry", "disk full"),
    ("53200", "retry", "out of memory"),
    ("53300", "retry", "too many connections"),
    ("55P03", "retry", "lock timeout"),
    ("57014", "retry", "statement timeout"),
    ("57P01", "retry", "shut down by an administrator"),
    ("57P02", "retry", "shut down by a crash"),
    ("57P03", "retry", "starting up"),
    ("57P05", "retry", "idle for too long"),
    ("58000", "retry", "an error of the system"),
    ("58030", "retry", "input or output error"),
    ("25006", "retry", "read-only"),
    ("25P03", "retry", "idle in a transaction for too long"),
    ("XX000", "retry", "internal error"),
    ("42P01", "stop", "no such table"),
    ("42601", "stop", "a mistake in the SQL"),
    ("42703", "stop", "no such column"),
    ("42804", "stop", "a column of another type"),
    ("42501", "stop", "no right to it"),
    ("28P01", "stop", "wrong password"),
    ("28000", "stop", "not let in"),
    ("3D000", "stop", "no such database"),
    ("3F000", "stop", "no such schema"),
    ("25P02", "stop", "the transaction was aborted before: a mistake of ours"),
    ("22000", "data", "an exception of the data"),
    ("22003", "data", "a number beyond the range"),
    ("22007", "data", "no time"),
    ("22021", "data", "a character that the encoding has not"),
    ("22P05", "data", "a character that the text cannot hold"),
    ("22001", "data", "a text that is too long"),
    ("22009", "data", "a time beyond the range"),
    ("22P02", "data", "no JSON"),
    ("23000", "data", "a constraint"),
    ("23503", "data", "no such row in another table"),
    ("23P01", "data", "an exclusion of the user's"),
    ("23502", "data", "null where none may be"),
    ("23514", "data", "a CHECK of the user's"),
    ("54000", "data", "a row too large for an index"),
    ("54001", "data", "a row that nests too deeply"),
    ("54011", "stop", "a table of too many columns"),
    ("54023", "stop", "a function of too many arguments"),
    ("23505", "conflict", "stored already"),
]


@pytest.mark.parametrize(("code", "verdict", "what"), TABLE, ids=[code for code, _, _ in TABLE])
def test_a_state_of_the_server(code: str, verdict: str, what: str) -> None:
    """By the code alone, whatever the text says."""
    assert classify(errors.lookup(code)(what)) == verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), "retry"),
        (psycopg.InterfaceError("the connection is closed"), "retry"),
        (ConnectionResetError(), "retry"),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), "data"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "data"),
        (psycopg.ProgrammingError("the query has 0 placeholders but 1 parameters were passed"), "stop"),
        (KeyError("a mistake of ours"), "stop"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_an_error_without_a_state(error: Exception, verdict: str) -> None:
    """The way to the server is waited out; what the driver refuses to send is the record's; the rest is ours."""
    assert classify(error) == verdict
