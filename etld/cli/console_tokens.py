"""`etld console token`: add, remove, list."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.cli.console_files import FILE, check_name, put, role_option, say_if_unused, take_out, target
from etld.cli.layout import room
from etld.cli.table import table_lines


@click.group()
def token() -> None:
    """Add, remove and list bearer tokens of programs; a running console sees the change by itself."""


@token.command(cls=AuditedCommand, action="config/token-add")
@click.argument("name")
@role_option("What the program may do, as a user of this role.")
@click.option("--expires", type=click.DateTime(), help="No longer good from this time (UTC) on.")
@FILE
@click.pass_obj
def add(path: Path | None, name: str, role: str, expires: datetime | None, file: Path | None) -> None:
    """Make a token for the program NAME and print it, this once; it replaces another of this name."""
    from etld.console.access import tokens

    check_name(name, "token")
    tokens_file = target(path, file, "tokens_file")
    made = tokens.new_token()
    ends = None if expires is None else expires.replace(tzinfo=UTC)
    entry = tokens.BearerToken(name, role, tokens.digest(made), ends)  # type: ignore[arg-type]
    put(tokens_file, tokens.read, name, entry)
    click.echo(made)
    until = "for ever" if ends is None else f"until {ends.isoformat()}"
    click.echo(f"{name} may come as {role} {until}: {tokens_file} has its hash, and nothing has the token", err=True)
    say_if_unused(path, tokens_file, "tokens_file")


@token.command(cls=AuditedCommand, action="config/token-remove")
@click.argument("name")
@FILE
@click.pass_obj
def remove(path: Path | None, name: str, file: Path | None) -> None:
    """Remove the token NAME, which is refused from now on."""
    from etld.console.access import tokens

    take_out(target(path, file, "tokens_file"), tokens.read, name, "token")
    click.echo(f"the token {name} is not good any more")


@token.command("list")
@FILE
@click.pass_obj
def list_(path: Path | None, file: Path | None) -> None:
    """List the tokens with their roles, when each ends, and when it was used last."""
    from etld.console.access import tokens
    from etld.supervisor.config_checks import load

    found = tokens.read(target(path, file, "tokens_file")).values()
    used = tokens.last_uses(load(path, later=[]).console_tokens_path)
    rows = [
        (one.name, one.role, "never" if one.expires is None else one.expires.isoformat(), used.get(one.sha256, "never"))
        for one in found
    ]
    for line in table_lines(("token", "role", "expires", "last used"), rows, right=[False] * 4, width=room()):
        click.echo(line)
