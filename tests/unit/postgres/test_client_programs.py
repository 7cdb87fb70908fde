"""Which pg_dump and pg_restore are taken for a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from etld.errors import EtldError
from etld.postgres import client_programs


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, Path]:
    """Folders with programs of four versions, one of which is on the PATH; no others are looked into."""
    made = {}
    for major in (15, 16, 17, 18):
        made[major] = tmp_path / "usr" / str(major) / "bin"
        made[major].mkdir(parents=True)
        for name in ("pg_dump", "pg_restore", "psql"):
            program = made[major] / name
            program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {major}.3 (Debian {major}.3-1)'\n")
            program.chmod(0o755)
    (made[16] / "psql").unlink()
    monkeypatch.setenv("PATH", f"{made[15]}:/usr/bin:/bin")
    return made


def test_a_dump_takes_the_servers_version_or_the_next(folders: dict[int, Path]) -> None:
    """An older pg_dump refuses a newer server."""
    first = [folders[18], folders[17]]
    assert client_programs.for_dump(18, first, ()).major == 18
    assert client_programs.for_dump(16, first, ())["pg_dump"] == str(folders[17] / "pg_dump")
    assert client_programs.for_dump(14, first, ()).major == 15


def test_a_restore_takes_what_the_server_understands(folders: dict[int, Path]) -> None:
    """Of 17 and above any newer one; below that its own version, with a psql beside it."""
    first = [folders[18], folders[16]]
    assert client_programs.for_restore(17, first, ()).major == 18
    assert client_programs.for_restore(15, first, ()).major == 15
    with pytest.raises(EtldError, match=r"pg_restore and psql of PostgreSQL 16; here is 18 in .*postgresql-client-16"):
        client_programs.for_restore(16, first, ())


def test_what_is_missing_is_named(folders: dict[int, Path]) -> None:
    """With the package, and what there is."""
    with pytest.raises(EtldError) as told:
        client_programs.for_dump(18, places=())
    assert str(told.value) == (
        f"this needs pg_dump of PostgreSQL 18 or newer; here is 15 in {folders[15]}:"
        " install the package postgresql-client-18"
    )
