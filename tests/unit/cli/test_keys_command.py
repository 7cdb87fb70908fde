"""`etld keys new`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.ingest import keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small good configuration with a file of keys."""
    (tmp_path / "a.avsc").write_text('{"type": "record", "name": "a", "fields": []}')
    (tmp_path / "keys.toml").write_text("# ours\n")
    path = tmp_path / "etld.toml"
    path.write_text('[ingest]\nkeys_file = "keys.toml"\n[event_types.a]\nschema = "a.avsc"\n')
    return path


def new(file: Path, *arguments: str) -> Result:
    """Run `etld keys new …`."""
    return CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(file), "keys", "new", *arguments])


def test_a_new_key_is_valid_and_stored_nowhere(file: Path) -> None:
    """Its digest stands in the file, whose comments stay."""
    secret = new(file, "shop").stdout.strip()
    other = new(file, "app", "--type", "a", "--expires", "2999-01-01").stdout.strip()
    path = file.with_name("keys.toml")
    text = path.read_text()
    assert text.startswith("# ours\n")
    assert secret not in text
    assert keys.check(path, ["a"]) == []
    ring = keys.load(path, ["a"])
    found = ring.find(other, time.time())
    assert ring.find(secret, time.time()) is not None
    assert found is not None
    assert found.allows("a")
    assert not found.allows("b")
    assert found.expires is not None


def test_a_file_that_is_not_there_is_made(file: Path) -> None:
    """Readable by the group, and by nobody else."""
    file.with_name("keys.toml").unlink()
    assert new(file, "shop").exit_code == 0
    assert file.with_name("keys.toml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("shop",), "has a key [shop] already"),
        (("a b",), "is no name of a key"),
        (("x", "--type", "nope"), "there is no event type 'nope'"),
    ],
)
def test_nothing_is_written_for_what_cannot_be(file: Path, arguments: tuple[str, ...], words: str) -> None:
    """The file stays as it was."""
    assert new(file, "shop").exit_code == 0
    before = file.with_name("keys.toml").read_bytes()
    assert words in str(new(file, *arguments).exception)
    assert file.with_name("keys.toml").read_bytes() == before


def test_a_broken_file_is_left_alone(file: Path) -> None:
    """With the line of the mistake."""
    file.with_name("keys.toml").write_text("[a\n")
    done = new(file, "shop", "--file", str(file.with_name("keys.toml")))
    assert done.exit_code != 0
    assert file.with_name("keys.toml").read_text() == "[a\n"
