"""`etld explain`: with no daemon and no configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etld.cli import cli
from etld.errors import UsageError
from etld.explain import CODES


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


def explained(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["explain", *arguments])


def test_a_code_is_told_with_what_to_do() -> None:
    told = explained("ETLD-K001").output
    entry = CODES["ETLD-K001"]
    assert told.startswith(f"ETLD-K001  {entry.title}\n\nWhat it means\n  ")
    assert "\n\nWhat to do\n  " in told
    assert entry.meaning in " ".join(told.split())
    assert entry.remedy in " ".join(told.split())
    assert told.endswith("\n  fault in `etld health`: kafka\n")


def test_nothing_is_wider_than_a_terminal() -> None:
    wide = [code for code in CODES if max(map(len, explained(code).output.splitlines())) > 80]
    assert wide == []
    assert max(map(len, explained().output.splitlines())) <= 80


def test_all_are_listed_by_area() -> None:
    listed = explained().output.splitlines()
    assert [line.split()[0] for line in listed if line.startswith("  ")] == list(CODES)
    assert "Kafka" in listed


@pytest.mark.parametrize(
    ("word", "code"), [("WORKER_KILLED", "ETLD-D009"), ("wrong_key", "ETLD-H020"), ("k1", "ETLD-K001")]
)
def test_a_word_does_as_well(word: str, code: str) -> None:
    assert explained(word).output.startswith(f"{code}  ")


def test_for_programs() -> None:
    (one,) = json.loads(explained("ETLD-K001", "--json").output)
    assert one.keys() == {"code", "title", "meaning", "remedy", "words"}
    assert (one["code"], one["words"]) == ("ETLD-K001", {"fault": ["kafka"]})
    every = json.loads(explained("--json").output)
    assert [one["code"] for one in every] == list(CODES)
    assert every[0]["area"] == "Configuration"


@pytest.mark.parametrize(
    ("asked", "near"),
    [("WORKER_KILED", 'did you mean "WORKER_KILLED"?'), ("ETLD-K01X", "did you mean"), ("xyzzy", "lists all")],
)
def test_what_is_not_there(asked: str, near: str) -> None:
    done = explained(asked)
    assert isinstance(done.exception, UsageError)
    assert near in str(done.exception)
    assert (done.exception.exit_code, done.exception.code) == (2, "ETLD-X002")


def test_codes_are_completed() -> None:
    environment = {"_ETLD_COMPLETE": "bash_complete", "COMP_WORDS": "etld explain etld-k00", "COMP_CWORD": "2"}
    done = CliRunner().invoke(cli, prog_name="etld", env=environment)
    assert done.output.splitlines()[:2] == ["plain,ETLD-K001", "plain,ETLD-K002"]
