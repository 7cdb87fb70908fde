"""`etld database`: grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def command() -> None:
    """Say what the database has to grant."""


@command.command()
@click.pass_obj
def grants(path: Path | None) -> None:
    """Print the SQL that gives the daemon's role what it needs, and nothing else.

    For the owner of the database or a superuser: `etld database grants | psql …`. With postgres.migration_dsn that
    user gets the right to make tables, and the daemon's own only that to use them.
    """
    from etld.config.secrets import split
    from etld.postgres import privileges
    from etld.supervisor.config_checks import load

    config = load(path)
    if config.postgres.dsn == "embedded":
        raise UsageError("the embedded PostgreSQL is etld's own: nothing has to be granted there")
    role, database = privileges.named(split(config.postgres.dsn)[0])
    migrator = privileges.named(config.migration_dsn()[0])[0] if config.postgres.migration_dsn else role
    click.echo(privileges.script(migrator, database, migrates=True), nl=False)
    if migrator != role:
        click.echo(privileges.script(role, database, migrates=False), nl=False)
