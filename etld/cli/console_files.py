"""The files of who may come to the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import click

from etld.errors import EtldError, UsageError

Key = Literal["users_file", "tokens_file"]


class _Entry(Protocol):
    """A user, or a token."""

    def table(self) -> dict[str, Any]:
        """Itself in the file."""


Read = Callable[[Path], Mapping[str, _Entry]]


FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Instead of the configuration's file."
)


def role_option(text: str) -> Callable[[Any], Any]:
    """`--role`, and what it means here."""
    roles = click.Choice(["viewer", "operator", "admin"])
    return click.option("--role", type=roles, default="viewer", show_default=True, help=text)


def check_name(name: str, what: str) -> None:
    """Raise `UsageError` for what cannot name a user or a token."""
    from etld.console.access import users

    if not users.NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a {what}: expected up to 64 letters, digits, - . _ and @")


def target(path: Path | None, file: Path | None, key: Key) -> Path:
    """The file that is given, or the configuration's; raises `UsageError`."""
    found = file or _configured(path, key)
    if found is None:
        raise UsageError(f"console.{key} names no file: set it, or say --file")
    return found.absolute()


def put(file: Path, read: Read, name: str, entry: _Entry) -> None:
    """Write the file anew with an entry in it, in place of another of its name; raises `EtldError`."""
    _change(file, read, lambda known: {**known, name: entry})


def take_out(file: Path, read: Read, name: str, what: str) -> None:
    """Write the file anew without an entry; raises `EtldError`, also when there is none of that name."""

    def without(known: Mapping[str, _Entry]) -> Mapping[str, _Entry]:
        if name not in known:
            raise EtldError(f"{file} has no {what} {name!r}", code="ETLD-X002")
        return {other: entry for other, entry in known.items() if other != name}

    _change(file, read, without)


def _change(file: Path, read: Read, change: Callable[[Mapping[str, _Entry]], Mapping[str, _Entry]]) -> None:
    """Write the file anew, for its owner only; raises `EtldError`."""
    import tomli_w

    from etld.util.files import locked, write_atomically

    try:
        with locked(file.parent):
            entries = change(read(file) if file.exists() else {})
            tables = {name: entry.table() for name, entry in entries.items()}
            write_atomically(file, tomli_w.dumps(tables).encode(), mode=0o600)
    except OSError as error:
        raise EtldError(f"cannot write {file}: {error.strerror}", code="ETLD-X003") from error


def say_if_unused(path: Path | None, file: Path, key: Key) -> None:
    """Say what makes the console use it, where nothing does."""
    if _configured(path, key) != file:
        click.echo(f'the console does not ask for it yet: [console] {key} = "{file}"', err=True)


def _configured(path: Path | None, key: Key) -> Path | None:
    from etld.supervisor.config_checks import load

    found: Path | None = getattr(load(path, later=[]).console, key)
    return found
