"""Commands that change something: a row in etld.audit says who ran one, with what, and what came of it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import click

from etld.cli import asking
from etld.errors import EtldError, Unreachable
from etld.util.text import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from etld.postgres.connections import Connection

    Params = Mapping[str, Any]

# What says how a command talks, not what it does.
_UNTOLD = ("as_json", "yes", "timeout", "patience", "password_file", "limit")
_LONGEST = 2000
# Seconds. A command does its work without the audit when the database is not there.
_PATIENCE = 2.0
_FROM = "cli"
# An address that says so needs nothing else.
_BY_FILE = "passfile="


class AuditedCommand(click.Command):
    """`action` as the console calls it, such as "workers/restart", or a function of the parameters that gives it.

    None: with these parameters nothing is changed. `told` gives of the parameters what may stand in the audit, for
    commands that are given what stands in events. `ends_database`: what comes of it cannot be noted.
    """

    def __init__(
        self,
        *args: Any,
        action: str | Callable[[Params], str | None],
        told: Callable[[Params], Params] = dict,
        ends_database: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._action = action
        self._told = told
        self._ends_database = ends_database

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, between two words to etld.audit; for the console, which has its own, without."""
        action = self._action if isinstance(self._action, str) else self._action(ctx.params)
        if action is None or ctx.params.get("dry_run") or asking.console_user() is not None:
            return super().invoke(ctx)
        note = _Note(ctx.obj)
        note.begin(action, _arguments(self._told(ctx.params)), "asked for" if self._ends_database else None)
        try:
            result = super().invoke(ctx)
        except BaseException as error:
            note.end(_why(error))
            raise
        note.end(_by_code(result))
        note.tell()
        return result


class _Note:
    """A row of the audit, as far as there is a database to have it."""

    def __init__(self, config_path: Path | None) -> None:
        self._path = config_path
        self._row: int | None = None
        self._problem = ""

    def begin(self, action: str, arguments: dict[str, str], outcome: str | None) -> None:
        with _problems(self):
            from etld.console import audit

            node, connect = _audit_database(self._path)
            asked = audit.AskedAction(asking.system_user(), "admin", _FROM, action, arguments)
            with connect as conn:
                row = audit.begin(conn, node, asked)
                if outcome is None:
                    self._row = row
                else:
                    audit.end(conn, row, outcome)

    def end(self, outcome: str) -> None:
        if self._row is None:
            return
        with _problems(self):
            from etld.console import audit

            _, connect = _audit_database(self._path)
            with connect as conn:
                audit.end(conn, self._row, outcome)

    def tell(self) -> None:
        if self._problem:
            click.echo(f"etld: it is done, and is not in the audit (the table etld.audit): {self._problem}", err=True)

    def failed(self, problem: str) -> None:
        self._problem = problem


class _problems:  # noqa: N801  # as a function
    """Whatever stands between a command and the audit is told after its work, and never in its way."""

    def __init__(self, note: _Note) -> None:
        self._note = note

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            return False
        from etld.postgres.errors import DatabaseError

        if isinstance(error, EtldError | DatabaseError):
            self._note.failed(one_line(error))
            return True
        return False


def _audit_database(config_path: Path | None) -> tuple[str, AbstractContextManager[Connection]]:
    """The daemon's name, and a connection to the database that has the audit; raises `EtldError`, psycopg errors.

    Where the daemon says how to come to its database, nothing else is asked: reading the configuration takes longer
    than most commands.
    """
    from etld.control.client import ask

    with contextlib.suppress(Unreachable):
        status = ask(config_path, "status")
        address = status["addresses"]["postgres"]
        if address is None:
            raise EtldError("the daemon has no database yet", code="ETLD-P006")
        if _BY_FILE in address and "node_id" in status:  # a daemon of an older version does not say
            from etld.postgres import connections

            return status["node_id"], connections.connect(
                address, application_name="etld audit", connect_timeout=_PATIENCE, statement_timeout=_PATIENCE
            )
    from etld.cli.target import find

    target = find(config_path)
    return target.config.node_id, target.connect("audit", within=_PATIENCE)


def _arguments(params: Params) -> dict[str, str]:
    return {name: text for name, text in _texts(params) if text}


def _texts(params: Params) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if name in _UNTOLD or value is None or value is False:
            continue
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else "yes" if value is True else str(value)
        yield name.replace("event_types", "types"), shortened(text, _LONGEST)


def _why(error: BaseException) -> str:
    match error:
        case SystemExit(code=code):
            return _by_code(code)
        case click.exceptions.Exit(exit_code=code):
            return _by_code(code)
        case KeyboardInterrupt() | click.exceptions.Abort():
            return "failed: interrupted"
    return f"failed: {one_line(error)}"


def _by_code(code: object) -> str:
    return f"failed: it ended with exit code {code}" if isinstance(code, int) and code != os.EX_OK else "done"
