"""`etld schemas`: list, check, register."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.layout import room
from etld.cli.table import table_lines
from etld.errors import EtldError, Unreachable, UsageError

if TYPE_CHECKING:
    from etld.cli.target import Target
    from etld.config import Config
    from etld.schemas.registry import Registry

_COLUMNS = ("event_type", "subject", "version", "id")


@click.group()
def command() -> None:
    """List, check and register schemas."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON array.")
@click.pass_obj
def list_(path: Path | None, as_json: bool) -> None:
    """Every version that the registry has for the configured event types."""
    from etld.cli.target import find
    from etld.schemas.versions import registered

    target = find(path)
    rows = [
        {"event_type": name, "subject": one.subject, "version": one.version, "id": one.id}
        | ({"schema": json.loads(one.schema)} if as_json else {})
        for name, one in registered(target.config, _registry(target))
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo("no schema is registered yet")
        return
    cells = [[str(row[name]) for name in _COLUMNS] for row in rows]
    for line in table_lines(_COLUMNS, cells, right=(False, False, True, True), width=room()):
        click.echo(line)


@command.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--offline", is_flag=True, help="Look at the files alone, do not ask the registry.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(path: Path | None, files: tuple[Path, ...], offline: bool, as_json: bool) -> None:
    """Can etld use these schema files, and may they follow the registered versions?

    FILES are .avsc files; without any, those of the configured event types. A file that belongs to no
    configured event type is looked at alone. Exit 1 when something speaks against one.
    """
    config = _config(path, needed=not files)
    chosen = [file.absolute() for file in files]
    if config is not None and not files:
        chosen = [kind.schema for kind in config.event_types.values()]
    results = [{"file": str(file), "problems": _offline(file)} for file in chosen]
    asked = False
    if config is not None and not offline:
        asked = _ask_registry(path, config, results)
    bad = sum(bool(result["problems"]) for result in results)
    if as_json:
        click.echo(json.dumps({"ok": not bad, "registry_asked": asked, "files": results}))
    else:
        for result in results:
            for problem in result["problems"]:
                click.echo(f"{result['file']}: {problem}", err=True)
            if not result["problems"]:
                click.echo(f"{result['file']}: good")
        if not asked and not offline:
            click.echo("the registry was not asked: it cannot be reached", err=True)
    sys.exit(1 if bad else 0)


@command.command(cls=AuditedCommand, action="schemas/register")
@click.argument("event_types", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def register(path: Path | None, event_types: tuple[str, ...], as_json: bool) -> None:
    """Register the schemas of the configured event types (all, or those named); `etld reload` uses them."""
    from etld.cli.target import find
    from etld.schemas import registration

    target = find(path)
    unknown = [name for name in event_types if name not in target.config.event_types]
    if unknown:
        raise UsageError(f"no such event type: {', '.join(unknown)}", code="ETLD-X002")
    loaded = registration.load(target.config)
    chosen = [loaded.types[name] for name in event_types or loaded.types]
    done = registration.register(_registry(target), chosen)
    rows = [{"event_type": name, "subject": one.subject, "id": one.schema_id} for name, one in done.items()]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(f"{row['subject']}: id {row['id']}")


def _config(path: Path | None, *, needed: bool) -> Config | None:
    """The configuration; files can be looked at without one."""
    from etld.supervisor.config_checks import load

    try:
        return load(path)
    except EtldError:
        if needed or path is not None:
            raise
        return None


def _offline(file: Path) -> list[str]:
    from etld.schemas.event_schema import problems, read_file
    from etld.schemas.tree import SchemaError

    try:
        return problems(read_file(file))
    except SchemaError as error:
        return [str(error)]


def _ask_registry(path: Path | None, config: Config, results: list[dict[str, Any]]) -> bool:
    """Add what the registry says against each configured file; False when it cannot be asked."""
    from etld.cli.target import find
    from etld.schemas.registry import RegistryUnavailable
    from etld.schemas.versions import refusals

    types = {str(kind.schema): name for name, kind in config.event_types.items()}
    try:
        registry = _registry(find(path))
        for result in results:
            if result["file"] in types and not result["problems"]:
                text = Path(result["file"]).read_text("utf-8")
                result["problems"] = refusals(config, registry, types[result["file"]], text)
    except (RegistryUnavailable, Unreachable):
        return False
    return True


def _registry(target: Target) -> Registry:
    from etld.schemas.registry import open_registry

    return open_registry(target.config, target.addresses)
