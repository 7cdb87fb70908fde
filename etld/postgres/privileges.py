"""What the roles that etld connects as may do, and what they lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier, Literal
from etld.postgres.errors import DatabaseError, DatabaseProblem, sqlstate
from etld.util.text import one_line

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "privileges")
_DENIED = "42501"
_NO_SUCH_ROLE = "42704"


def role_of(conn: Connection) -> str:
    """Who this connection is to the database."""
    row = conn.execute("SELECT current_user::text").fetchone()
    assert row is not None
    return str(row[0])


def lacks_for_migrations(conn: Connection) -> list[str]:
    """The statements that give this connection's role what migrations need."""
    return _lacks(conn, _SQL.lacks_for_migrations, role_of(conn))


def lacks(conn: Connection, role: str) -> list[str]:
    """The statements that give a role what the daemon needs of the tables that there are."""
    return _lacks(conn, _SQL.lacks, role)


def refuse(role: str, statements: list[str]) -> None:
    """Raise `DatabaseProblem`, in one line, when a role lacks something."""
    if statements:
        raise DatabaseProblem(
            f"the role {role} lacks privileges; as the owner of the database or a superuser: {'; '.join(statements)};",
            code="ETLD-P002",
        )


def grant(conn: Connection, role: str) -> int:
    """Give a role what the daemon needs; how many statements. Raises `DatabaseProblem` with those that remain."""
    missing = lacks(conn, role)
    refuse(role, _refused(conn, missing))
    return len(missing)


def reader_lacks(conn: Connection, reader: str) -> list[str]:
    """The statements that make the role of readers, and let it read events, views and summaries."""
    return _lacks(conn, _SQL.reader_lacks, reader)


def let_read(conn: Connection, reader: str) -> list[str]:
    """Run those of them that this connection's role may run; the rest."""
    _refused(conn, reader_lacks(conn, reader))
    # A GRANT by who may not is no error, where he has the privilege himself.
    return reader_lacks(conn, reader)


def make_login(conn: Connection, name: str, password: str, reader: str) -> None:
    """Make a login with the rights of the role of readers, or give the one of that name a new password.

    Raises `DatabaseProblem` with the statements, where this connection's role may not.
    """
    there = conn.execute("SELECT to_regrole(quote_ident(%(name)s)) IS NOT NULL", {"name": name}).fetchone()
    what = SQL("ALTER ROLE {} LOGIN PASSWORD {}") if there and there[0] else SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    try:
        with conn.transaction():
            conn.execute(what.format(Identifier(name), Literal(password)))
            conn.execute(SQL("GRANT {} TO {}").format(Identifier(reader), Identifier(name)))
    except DatabaseError as error:
        if sqlstate(error) not in (_DENIED, _NO_SUCH_ROLE):
            raise
        raise DatabaseProblem(
            f"the role {role_of(conn)} may not make logins; as a superuser: CREATE ROLE {_quoted(name)} LOGIN PASSWORD"
            f" '…' IN ROLE {_quoted(reader)};",
            code="ETLD-P003",
        ) from error


def make_reader(conn: Connection, reader: str) -> None:
    """Make the role of readers, without a login, unless it is there or this connection's role may not."""
    there = conn.execute("SELECT to_regrole(quote_ident(%(name)s)) IS NOT NULL", {"name": reader}).fetchone()
    if not (there and there[0]):
        _refused(conn, [f"CREATE ROLE {_quoted(reader)} NOLOGIN"])


def make_database(conn: Connection, name: str) -> None:
    """Make a database, unless there is one of that name; raises psycopg errors."""
    if conn.execute("SELECT FROM pg_database WHERE datname = %(name)s", {"name": name}).fetchone() is None:
        conn.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


def _refused(conn: Connection, statements: list[str]) -> list[str]:
    """Run statements one by one; those for which this connection's role lacks the right."""
    refused: list[str] = []
    for one in statements:
        try:
            conn.execute(SQL(one))  # made by quote_ident and format
        except DatabaseError as error:
            if sqlstate(error) not in (_DENIED, _NO_SUCH_ROLE):
                raise
            refused.append(one)
    return refused


def in_words(error: DatabaseError, dsn: str) -> str:
    """An error that a person has to mend, in one line, with the user that it is about. `dsn` is not shown."""
    given = conninfo_to_dict(dsn)
    user, database = given.get("user"), given.get("dbname")
    text = one_line(error) or type(error).__name__
    who = f"user {user}" if user else "the user of this process"
    state = sqlstate(error)
    return f"PostgreSQL refuses {who}, database {database or user or '(default)'}: {text} (SQLSTATE {state})"


def script(role: str, database: str, *, migrates: bool) -> str:
    """SQL of least privilege. `migrates`: the role makes the tables, and owns them."""
    who, where = _quoted(role), _quoted(database)
    if migrates:
        return (
            f"-- {role} makes its tables when etld starts, and owns them.\n"
            f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {where} TO {who};\n"
            f"GRANT USAGE, CREATE ON SCHEMA public TO {who};\n"
        )
    return (
        f"-- The role of postgres.migration_dsn makes the tables, and grants {role} the rest when etld starts.\n"
        f"GRANT CONNECT, TEMPORARY ON DATABASE {where} TO {who};\n"
        f"GRANT USAGE ON SCHEMA public TO {who};\n"
    )


def reader_script(reader: str, database: str) -> str:
    """SQL that makes the role of readers; the daemon's own grants it the rest, as the owner of what it makes."""
    who, where = _quoted(reader), _quoted(database)
    name = reader.replace("'", "''")
    return (
        f"-- {reader} may read processed_events, the views etld.event_… and the summaries. etld grants it those.\n"
        f"DO $$ BEGIN IF to_regrole(quote_ident('{name}')) IS NULL THEN CREATE ROLE {who} NOLOGIN; END IF; END $$;\n"
        f"GRANT CONNECT ON DATABASE {where} TO {who};\n"
        f"GRANT USAGE ON SCHEMA public TO {who};\n"
    )


def named(dsn: str) -> tuple[str, str]:
    """(role, database) of an address, as libpq understands it."""
    given = conninfo_to_dict(dsn)
    user = str(given.get("user") or "etld")
    return user, str(given.get("dbname") or user)


def server(dsn: str) -> dict[str, str]:
    """What an address says: host, port, dbname, user and whatever else, without a password. Raises ValueError."""
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if name != "password"}
    except ProgrammingError as error:
        raise ValueError(one_line(error)) from error


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _lacks(conn: Connection, statement: bytes, role: str) -> list[str]:
    return [text for (text,) in conn.execute(statement, {"role": role})]
