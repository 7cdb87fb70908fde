"""A filter in a file is whole and of the leaf as it is, or it is not used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from etld.sinks.postgres.deduplication import filter_file
from etld.sinks.postgres.deduplication.filter_file import FilterFile
from etld.sinks.postgres.deduplication.filters import Filters
from etld.sinks.postgres.deduplication.id_filter import as_numbers
from etld.sinks.postgres.deduplication.leaves import Leaf

LEAF = Leaf("etld", "processed_events_20260101", 4711, 0, 1, version=77)
IDS = as_numbers(os.urandom(16 * 1000))


def put(directory: Path, leaf: Leaf = LEAF) -> Path:
    """A filter file of IDS."""
    file = FilterFile(leaf, 1000)
    file.add(IDS[:400])
    file.add(IDS[400:])
    return file.put(directory)


def test_a_file_has_what_was_added(tmp_path: Path) -> None:
    put(tmp_path)
    found = Filters(tmp_path).of(LEAF)
    assert found is not None
    assert found.may_have(IDS).all()
    assert found.may_have(as_numbers(os.urandom(16 * 1000))).mean() < 0.05
    assert filter_file.version_of(tmp_path, LEAF) == 77


@pytest.mark.parametrize(
    "asked",
    [
        replace(LEAF, version=78),
        replace(LEAF, oid=4712),
        replace(LEAF, name="processed_events_20260102"),
    ],
    ids=["another version", "another table", "another leaf of that number"],
)
def test_what_is_not_of_the_leaf_as_it_is_is_not_used(tmp_path: Path, asked: Leaf) -> None:
    path = put(tmp_path)
    path.rename(filter_file.path_of(tmp_path, asked))
    assert Filters(tmp_path).of(asked) is None


def torn(path: Path, what: str) -> None:
    """Damage a file."""
    content = path.read_bytes()
    middle = len(content) - 1000
    path.write_bytes(
        {
            "empty": b"",
            "cut in the header": content[:100],
            "cut after the header": content[:4096],
            "cut": content[:-8],
            "longer": content + bytes(8),
            "a byte changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "zeros at the end": content[:middle] + bytes(len(content) - middle),
            "another kind of file": b"x" * len(content),
        }[what]
    )


@pytest.mark.parametrize(
    "what",
    [
        "empty",
        "cut in the header",
        "cut after the header",
        "cut",
        "longer",
        "a byte changed",
        "zeros at the end",
        "another kind of file",
    ],
)
def test_what_is_damaged_is_not_used(tmp_path: Path, what: str) -> None:
    torn(put(tmp_path), what)
    assert Filters(tmp_path).of(LEAF) is None


def test_none_is_there_without_a_directory_or_a_file(tmp_path: Path) -> None:
    assert Filters(None).of(LEAF) is None
    assert Filters(tmp_path / "nowhere").of(LEAF) is None


def test_a_filter_that_is_open_is_used_until_the_leaf_changes(tmp_path: Path) -> None:
    """Also when the file is gone by then, as with a leaf that falls out of the window."""
    filters = Filters(tmp_path)
    path = put(tmp_path)
    assert filters.of(LEAF) is not None
    path.unlink()
    assert filters.of(LEAF) is not None
    assert filters.of(replace(LEAF, version=78)) is None
    assert filters.of(LEAF) is None
