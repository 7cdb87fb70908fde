"""The files of who may come to the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import click

from etld.errors import EtldError, UsageError

Key = Literal["users_file", "tokens_file"]

FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Instead of the configuration's file."
)


def target(path: Path | None, file: Path | None, key: Key) -> Path:
    """The file that is given, or the configuration's; raises `UsageError`."""
    found = file or _configured(path, key)
    if found is None:
        raise UsageError(f"console.{key} names no file: set it, or say --file")
    return found.absolute()


def write(file: Path, changed: Callable[[], Mapping[str, object]]) -> None:
    """Write the file anew with what `changed` gives, for its owner only; raises `EtldError`."""
    import tomli_w

    from etld.util.files import locked, write_atomically

    try:
        with locked(file.parent):
            write_atomically(file, tomli_w.dumps(changed()).encode(), mode=0o600)
    except OSError as error:
        raise EtldError(f"cannot write {file}: {error.strerror}") from error


def say_if_unused(path: Path | None, file: Path, key: Key) -> None:
    """Say what makes the console use it, where nothing does."""
    if _configured(path, key) != file:
        click.echo(f'the console does not ask for it yet: [console] {key} = "{file}"', err=True)


def _configured(path: Path | None, key: Key) -> Path | None:
    from etld.supervisor.config_checks import load

    found: Path | None = getattr(load(path, later=[]).console, key)
    return found
