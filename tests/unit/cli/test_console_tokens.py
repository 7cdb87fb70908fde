"""`etld console token`."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.console.access import tokens


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small good configuration that names a file of tokens."""
    (tmp_path / "a.avsc").write_text('{"type": "record", "name": "a", "fields": []}')
    path = tmp_path / "etld.toml"
    path.write_text('[console]\ntokens_file = "tokens.toml"\n[event_types.a]\nschema = "a.avsc"\n')
    return path


def run(file: Path, *arguments: str) -> Result:
    """Run `etld console token …`."""
    return CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(file), "console", "token", *arguments])


def test_a_token_is_printed_once_and_stored_nowhere(file: Path) -> None:
    """Its digest stands in a file that only the owner reads, with role and end."""
    made = run(file, "add", "board", "--role", "operator", "--expires", "2999-01-31")
    told = made.stdout.strip()
    assert (made.exit_code, told.startswith("etld_"), len(told)) == (0, True, 48)
    path = file.with_name("tokens.toml")
    assert told not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    known = tokens.TokensFile(path, file.with_name("used"))
    found = known.find(told, datetime.now(UTC))
    assert found is not None
    assert (found.name, found.role) == ("board", "operator")
    assert known.find(told, datetime(2999, 2, 1, tzinfo=UTC)) is None
    assert known.find(told[:-1], datetime.now(UTC)) is None


def test_tokens_are_listed_with_their_last_use_and_removed(file: Path) -> None:
    told = run(file, "add", "board").stdout.strip()
    other = run(file, "add", "other", "--expires", "2999-01-31").stdout.strip()
    used = file.with_name("var") / "console_tokens.json"
    used.parent.mkdir()
    used.write_text(json.dumps({tokens.digest(other): "2026-01-31T12:00+00:00"}))
    lines = [line.split() for line in run(file, "list").stdout.splitlines()]
    assert lines == [
        ["token", "role", "expires", "last", "used"],
        ["board", "viewer", "never", "never"],
        ["other", "viewer", "2999-01-31T00:00:00+00:00", "2026-01-31T12:00+00:00"],
    ]
    assert run(file, "remove", "board").exit_code == 0
    known = tokens.TokensFile(file.with_name("tokens.toml"), used)
    assert known.find(told, datetime.now(UTC)) is None
    assert known.find(other, datetime.now(UTC)) is not None
    assert "has no token 'board'" in str(run(file, "remove", "board").exception)
    assert "no name of a token" in str(run(file, "add", "a b").exception)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("role = 'viewer'", "expected role, sha256, expires in [x]"),
        ("role = 'boss'\nsha256 = ''", "expected viewer, operator, admin, got 'boss'"),
        ("role = 'viewer'\nsha256 = 'etld_secret'", "[x] sha256: expected what"),
        (f"role = 'viewer'\nsha256 = '{'0' * 64}'\nexpires = 2027-01-31", "[x] expires: expected a time"),
    ],
)
def test_a_file_that_is_wrong_is_told(file: Path, text: str, told: str) -> None:
    file.with_name("tokens.toml").write_text(f"[x]\n{text}\n")
    assert told in str(run(file, "list").exception)
    wrong = CliRunner(env={"ETLD_CONFIG": ""}).invoke(cli, ["--config", str(file), "config", "check"])
    assert told in str(wrong.exception) + wrong.output
