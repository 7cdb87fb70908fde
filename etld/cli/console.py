"""`etld console user`: add, remove, list."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.cli.console_files import FILE, check_name, put, role_option, say_if_unused, take_out, target
from etld.cli.console_tokens import token
from etld.errors import UsageError


@click.group()
def command() -> None:
    """Say who may log in to the console."""


command.add_command(token)


@command.group()
def user() -> None:
    """Add, remove and list users; a running console sees the change by itself."""


@user.command(cls=AuditedCommand, action="config/user-add")
@click.argument("name")
@role_option("viewer sees, operator acts on workers, topics and dead letters, admin changes the configuration too.")
@click.option("--password-file", type=click.File("r"), help='Holds the password: one line; "-" reads it from stdin.')
@FILE
@click.pass_obj
def add(path: Path | None, name: str, role: str, password_file: object, file: Path | None) -> None:
    """Add the user NAME, or give one another role and password; asks for the password."""
    from etld.console.access import users

    check_name(name, "user")
    users_file = target(path, file, "users_file")
    if password_file is None:
        password = click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = password_file.readline().rstrip("\r\n")  # type: ignore[attr-defined]
    if len(password) < users.SHORTEST:
        raise UsageError(f"a password has at least {users.SHORTEST} characters")
    put(users_file, users.read, name, users.User(name, role, users.digest(password)))  # type: ignore[arg-type]
    click.echo(f"{name} may log in as {role}: {users_file}")
    say_if_unused(path, users_file, "users_file")


@user.command(cls=AuditedCommand, action="config/user-remove")
@click.argument("name")
@FILE
@click.pass_obj
def remove(path: Path | None, name: str, file: Path | None) -> None:
    """Remove the user NAME, whose sessions end at once."""
    from etld.console.access import users

    take_out(target(path, file, "users_file"), users.read, name, "user")
    click.echo(f"{name} may not log in any more")


@user.command("list")
@FILE
@click.pass_obj
def list_(path: Path | None, file: Path | None) -> None:
    """List the users with their roles."""
    from etld.console.access import users

    for one in users.read(target(path, file, "users_file")).values():
        click.echo(f"{one.name:24} {one.role}")
