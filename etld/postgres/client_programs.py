"""pg_dump and its kin: which of those on this machine fits a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Where packages of distributions put programs that are not on the PATH, a folder a version.
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_VERSION = re.compile(rb"\(PostgreSQL\) (\d+)")
# From this version on scripts of pg_restore hold a setting (transaction_timeout) that older servers do not know.
_NEW_SCRIPTS = 17


@dataclass(frozen=True, slots=True)
class ClientPrograms:
    """A folder with PostgreSQL's programs of one major version."""

    folder: Path
    major: int

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


def for_dump(server: int, first: Iterable[Path] = (), places: Iterable[str] = PLACES) -> ClientPrograms:
    """Programs with a pg_dump of the server's major version or the next one above; raises `EtldError`.

    `first` are folders to look into before the PATH and the `places`.
    """
    found = list(_found(("pg_dump",), first, places))
    return _nearest([one for one in found if one.major >= server], found, f"pg_dump of PostgreSQL {server} or newer")


def for_restore(server: int, first: Iterable[Path] = (), places: Iterable[str] = PLACES) -> ClientPrograms:
    """Programs with a pg_restore and a psql whose scripts the server understands; raises `EtldError`."""
    found = list(_found(("pg_restore", "psql"), first, places))
    fitting = [one for one in found if one.major == server or one.major > server >= _NEW_SCRIPTS]
    newer = " or newer" if server >= _NEW_SCRIPTS else ""
    return _nearest(fitting, found, f"pg_restore and psql of PostgreSQL {server}{newer}")


def _nearest(fitting: list[ClientPrograms], found: list[ClientPrograms], wanted: str) -> ClientPrograms:
    if fitting:
        return min(fitting, key=lambda one: one.major)
    there = ", ".join(f"{one.major} in {one.folder}" for one in found) or "none"
    version = re.search(r"\d+", wanted)
    package = f"postgresql-client-{version[0] if version else ''}"
    raise EtldError(f"this needs {wanted}; here is {there}: install the package {package}", code="ETLD-P011")


def _found(names: tuple[str, ...], first: Iterable[Path], places: Iterable[str]) -> Iterator[ClientPrograms]:
    on_path = shutil.which(names[0])
    folders = [*first, *([Path(on_path).parent] if on_path else [])]
    for place in places:
        folders += sorted(Path("/").glob(place.lstrip("/")))
    for folder in dict.fromkeys(folders):
        if all(os.access(folder / name, os.X_OK) for name in names):
            told = subprocess.run([folder / names[0], "--version"], capture_output=True, check=False).stdout
            if match := _VERSION.search(told):
                yield ClientPrograms(folder, int(match[1]))
