"""`etld keys`: new."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etld.cli.audited import AuditedCommand
from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from etld.config import Config

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


@click.group()
def command() -> None:
    """Make write keys."""


@command.command(cls=AuditedCommand, action="config/key")
@click.argument("name")
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Instead of ingest.keys_file.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this event type; may be repeated.")
@click.option("--expires", type=click.DateTime(), help="No longer valid from this time (UTC) on.")
@click.pass_obj
def new(path: Path | None, name: str, file: Path | None, types: tuple[str, ...], expires: datetime | None) -> None:
    """Make a write key for the client NAME, print it once, and add its SHA-256 to the file of keys.

    The key itself is stored nowhere.
    """
    from etld.supervisor.config_checks import load

    if not _is_name(name):
        raise UsageError(f"{name!r} is no name of a key: expected up to 64 letters, digits, - and _")
    config = load(path, later=[])
    target = file or config.ingest.keys_file
    if target is None:
        raise UsageError("ingest.keys_file names no file: set it, or say --file")
    unknown = [one for one in types if one not in config.event_types]
    if unknown:
        raise UsageError(
            f"there is no event type {unknown[0]!r}; the types are {', '.join(config.event_types)}", code="ETLD-X002"
        )
    key = secrets.token_urlsafe(32)
    _add(target, _table(name, key, types, expires), name, config)
    click.echo(key)
    click.echo(
        f"this is the only time that it is shown; [{name}] in {target} has its SHA-256, and `etld reload` takes it up",
        err=True,
    )
    if config.ingest.keys_file != target.absolute():
        click.echo(f'no daemon asks for it yet: [ingest] keys_file = "{target.absolute()}"', err=True)


def _is_name(name: str) -> bool:
    import re

    return re.fullmatch(_NAME, name) is not None


def _table(name: str, key: str, types: tuple[str, ...], expires: datetime | None) -> str:
    import tomli_w

    entry: dict[str, object] = {"sha256": hashlib.sha256(key.encode()).hexdigest()}
    if types:
        entry["event_types"] = list(types)
    if expires is not None:
        entry["expires"] = expires.replace(tzinfo=UTC)
    return tomli_w.dumps({name: entry})


def _add(file: Path, table: str, name: str, config: Config) -> None:
    """Append the table to the file, which keeps its comments; nothing is written that could not be read."""
    from etld.config import toml
    from etld.ingest import keys
    from etld.util.files import append, appended, locked

    try:
        with locked(file.parent):
            text = file.read_text("utf-8") if file.exists() else ""
            known = toml.loads(text)
            if name in known:
                told = f"{file} has a key [{name}] already: add the sha256 of a second one to its list, or rename"
                raise EtldError(told, code="ETLD-C013")
            problems = keys.check(file, config.event_types) if text else []
            if problems:
                raise EtldError(problems[0], code="ETLD-C013")
            toml.loads(appended(text.encode(), table).decode())
            append(file, table)
    except toml.TomlMistake as error:
        raise EtldError(f"{file} is not TOML: {error}", code="ETLD-C003") from None
    except OSError as error:
        raise EtldError(f"cannot write {file}: {error.strerror}", code="ETLD-X003") from error
