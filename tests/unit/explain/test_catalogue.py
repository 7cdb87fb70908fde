"""The catalogue of errors: codes that never change, words that lead to one entry, texts that name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest

from etld import explain
from etld.cli import cli
from etld.config.keys import known_at, type_at
from etld.explain import AREAS, CODES, WORDS

ROOT = Path(__file__).resolve().parents[3]
TEXTS = {code: f"{entry.meaning} {entry.remedy}" for code, entry in CODES.items()}
QUOTED = [(code, part) for code, text in TEXTS.items() for part in re.findall(r"`([^`]+)`", text)]


def test_codes_keep_their_meaning() -> None:
    """A new one is a line at the end of its letter; a title may be put better, and never tell of something else."""
    pinned = (Path(__file__).with_name("codes.txt")).read_text().splitlines()
    assert [f"{code} {entry.title}" for code, entry in CODES.items()] == pinned


def test_codes_have_one_form_and_no_two_are_the_same() -> None:
    letters = [area.letter for area in AREAS]
    assert len(set(letters)) == len(letters)
    found = [entry.code for area in AREAS for entry in area.entries]
    assert len(set(found)) == len(found)
    for area in AREAS:
        codes = [entry.code for entry in area.entries]
        assert codes == sorted(codes)
        assert [code for code in codes if not re.fullmatch(rf"ETLD-{area.letter}[0-9]{{3}}", code)] == []


def test_a_word_leads_to_one_entry() -> None:
    assert sum(len(words) for entry in CODES.values() for words in entry.words.values()) == len(WORDS)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ETLD-K001", ["ETLD-K001"]),
        ("etld-k001", ["ETLD-K001"]),
        ("K12", ["ETLD-K012"]),
        ("WORKER_KILLED", ["ETLD-D009"]),
        ("worker_killed", ["ETLD-D009"]),
        ("busy", ["ETLD-S011", "ETLD-H025"]),
        ("K999", []),
        ("", []),
    ],
)
def test_what_is_found(asked: str, found: list[str]) -> None:
    assert [entry.code for entry in explain.find(asked)] == found


def test_a_letter_with_an_error_that_is_not_etlds_has_the_code_of_its_stage() -> None:
    assert explain.code_of_letter("WORKER_KILLED", "TASK_PUT") == "ETLD-D009"
    assert explain.code_of_letter("ZeroDivisionError", "TRANSFORM") == "ETLD-D006"
    assert explain.code_of_letter("Unknown", "UNKNOWN") == ""


def test_a_fault_with_a_name_has_the_code_of_its_kind() -> None:
    assert explain.code_of("fault", "webhook team") == "ETLD-A001"
    assert explain.code_of("fault", "nothing") == ""


def test_texts_are_sentences() -> None:
    for entry in CODES.values():
        assert entry.title[0].isupper() or entry.title.startswith("`"), entry.code
        assert not entry.title.endswith("."), entry.code
        assert (entry.meaning[-1], entry.remedy[-1]) == (".", "."), entry.code
        assert TEXTS[entry.code].count("`") % 2 == 0, entry.code


def test_codes_that_texts_and_documents_name_are_there() -> None:
    documents = {path.name: path.read_text() for path in (*ROOT.glob("docs/*.md"), ROOT / "README.md")}
    named = [
        (where, code) for where, text in (TEXTS | documents).items() for code in re.findall(r"ETLD-[A-Z]\d+", text)
    ]
    assert [(where, code) for where, code in named if code not in CODES] == []


def test_commands_that_texts_name_are_there() -> None:
    missing = [(code, said) for code, said in QUOTED if said.startswith("etld ") and not _is_command(said)]
    assert missing == []


def test_keys_that_texts_name_are_there() -> None:
    """As `section.key`, `[section]` or `[section] key`."""
    sections = known_at(())
    missing = []
    for code, said in QUOTED:
        written = re.fullmatch(r"\[?\[?(\w+)(?:\.<\w+>)?(?:\.([\w.]+))?\]?\]?(?: (\w+))?(?: = .*)?", said)
        if written is None or written[1] not in sections or (" " in said and not said.startswith("[")):
            continue
        path: tuple[str | int, ...] = (written[1],)
        if ".<" in said:
            path = (*path, "name")
        if said.startswith("[["):
            path = (*path, 0) if written[2] is None else (*path, *written[2].split("."), 0)
        elif written[2]:
            path = (*path, *written[2].split("."))
        if written[3]:
            path = (*path, written[3])
        if type_at(path) is None:
            missing.append((code, said))
    assert missing == []


def _is_command(said: str) -> bool:
    """Are its words commands, up to the first that is an option or an argument, and its options theirs?"""
    words = said.split()[1:]
    here: Any = cli
    while words and words[0].startswith("--") and words[0] == "--config":
        words = words[2:]
    while words and isinstance(here, click.Group):
        here = here.get_command(click.Context(here), words[0])
        if here is None:
            return words[0].isupper()
        words = words[1:]
    options = {name for one in here.params for name in one.opts}
    return not isinstance(here, click.Group) and {one for one in words if one.startswith("--")} <= options
