"""`etld console user`: add, remove, list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from etld.errors import EtldError, UsageError

_FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Instead of console.users_file."
)


@click.group()
def command() -> None:
    """Say who may log in to the console."""


@command.group()
def user() -> None:
    """Add, remove and list users; a running console sees the change by itself."""


@user.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="viewer",
    show_default=True,
    help="viewer sees, operator acts on workers, topics and dead letters, admin changes the configuration too.",
)
@click.option("--password-file", type=click.File("r"), help='Holds the password: one line; "-" reads it from stdin.')
@_FILE
@click.pass_obj
def add(path: Path | None, name: str, role: str, password_file: object, file: Path | None) -> None:
    """Add the user NAME, or give one another role and password; asks for the password."""
    from etld.console.access import users

    if not users.NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a user: expected up to 64 letters, digits, - . _ and @")
    target = _target(path, file)
    if password_file is None:
        password = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = password_file.readline().rstrip("\r\n")  # type: ignore[attr-defined]
    if len(password) < users.SHORTEST:
        raise UsageError(f"a password has at least {users.SHORTEST} characters")
    entry = {"role": role, "scrypt": users.digest(password)}
    _change(target, lambda tables: {**tables, name: entry})
    click.echo(f"{name} may log in as {role}: {target}")
    _say_if_unused(path, target)


@user.command()
@click.argument("name")
@_FILE
@click.pass_obj
def remove(path: Path | None, name: str, file: Path | None) -> None:
    """Remove the user NAME, whose sessions end at once."""
    target = _target(path, file)

    def without(tables: dict[str, object]) -> dict[str, object]:
        if name not in tables:
            raise EtldError(f"{target} has no user {name!r}")
        return {known: entry for known, entry in tables.items() if known != name}

    _change(target, without)
    click.echo(f"{name} may not log in any more")


@user.command("list")
@_FILE
@click.pass_obj
def list_(path: Path | None, file: Path | None) -> None:
    """List the users with their roles."""
    from etld.console.access import users

    for one in users.read(_target(path, file)).values():
        click.echo(f"{one.name:24} {one.role}")


def _target(path: Path | None, file: Path | None) -> Path:
    from etld.supervisor.config_checks import load

    target = file or load(path, later=[]).console.users_file
    if target is None:
        raise UsageError("console.users_file names no file: set it, or say --file")
    return target.absolute()


def _change(file: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    """Write the file anew, for its owner only; raises `EtldError`."""
    import tomli_w

    from etld.console.access import users
    from etld.util.files import locked, write_atomically

    try:
        with locked(file.parent):
            known = users.read(file) if file.exists() else {}
            tables: dict[str, object] = {one.name: {"role": one.role, "scrypt": one.digest} for one in known.values()}
            write_atomically(file, tomli_w.dumps(change(tables)).encode(), mode=0o600)
    except OSError as error:
        raise EtldError(f"cannot write {file}: {error.strerror}") from error


def _say_if_unused(path: Path | None, target: Path) -> None:
    from etld.supervisor.config_checks import load

    if load(path, later=[]).console.users_file != target:
        click.echo(f'the console does not ask for it yet: [console] users_file = "{target}"', err=True)
