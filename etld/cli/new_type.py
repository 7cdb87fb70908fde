"""`etld new-type`: an event type as a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.errors import ConfigError, EtldError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config


@click.command(cls=AuditedCommand, action="config/new-type")
@click.argument("name")
@click.option(
    "--fields",
    "given",
    metavar="FIELDS",
    default="",
    help='Its fields, such as "user_id:long,amount:double?,note:string"; ? behind one that may be missing.',
)
@click.option("--dry-run", is_flag=True, help="Print what would be written.")
@click.pass_obj
def command(path: Path | None, name: str, given: str, dry_run: bool) -> None:
    """Write a schema, a table and a summary with a chart for the new event type NAME, as a start.

    The schema becomes schemas/NAME.avsc beside the other ones; the tables go to the end of the configuration's file,
    which stays as it is otherwise. Types of fields: string, long, int, double, float, boolean, timestamp, date.
    """
    from etld.config.paths import root
    from etld.schemas import starter
    from etld.supervisor.config_checks import load

    config = load(path, later=[])
    _refuse(name, config)
    try:
        fields = starter.parse_fields(given)
    except ValueError as error:
        raise UsageError(f"--fields: {error}") from None
    source = config.source
    inside = f"schemas/{name}.avsc"
    file = root(source) / inside
    schema, tables = starter.schema(name, fields), starter.tables(name, fields, inside)
    _refuse_file(file)
    if dry_run:
        click.echo(f"# {file}\n{schema}\n# at the end of {source}\n{tables}", nl=False)
        return
    _write(config, file, schema, tables)
    click.echo(f"wrote {file}\nadded [event_types.{name}] and [summaries.{name}] to {source}")
    click.echo(
        f"next: put your own fields into both, then `etld config check`, `etld reload`,"
        f" `etld generate --event-type {name} --count 10`"
    )


def _refuse(name: str, config: Config) -> None:
    """Raise for a name that is none, or that something has."""
    from pydantic import TypeAdapter, ValidationError

    from etld.config.sections.events import TypeName
    from etld.config.sections.summaries import SummaryName

    for kind in (TypeName, SummaryName):
        try:
            TypeAdapter(kind).validate_python(name)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"this cannot be the name of an event type with a summary: {reason}") from None
    for table, names in (("event_types", config.event_types), ("summaries", config.summaries)):
        if name in names:
            raise EtldError(f"{config.source} has [{table}.{name}] already", code="ETLD-X004")


def _refuse_file(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise EtldError(
            f"{file} is there already: move it away, or write the event type's table by hand", code="ETLD-X004"
        )


def _write(config: Config, file: Path, schema: str, tables: str) -> None:
    """The schema, then the tables; the schema goes again when the configuration would have a mistake with them."""
    from etld.supervisor.config_checks import parse
    from etld.util.files import append, appended, locked, write_atomically

    source = config.source
    try:
        file.parent.mkdir(exist_ok=True)
        with locked(source.parent):
            _refuse_file(file)
            write_atomically(file, schema.encode(), mode=0o644, like=source.stat())
            try:
                parse(appended(source.read_bytes(), tables).decode("utf-8-sig"), source, later=[])
                append(source, tables)
            except BaseException:
                file.unlink()
                raise
    except ConfigError as error:
        told = "\n".join(error.lines())
        by_hand = "--dry-run prints them, to be put in by hand"
        raise EtldError(
            f"nothing was written: the tables cannot stand at the end of the file; {by_hand}\n{told}", code="ETLD-X003"
        ) from None
    except OSError as error:
        raise EtldError(f"cannot write {error.filename or file}: {error.strerror}", code="ETLD-X003") from error
