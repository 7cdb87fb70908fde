"""Reports of partitions and letters that fit the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from etld.cli.layout import room, wrapped
from etld.cli.reconcile import partition_table
from etld.deadletters.decision import without_preamble
from etld.util.text import cut_head, thousands

NUMBERS = ("low", "high", "next", "stored", "duplicate", "filtered", "dead", "gaps", "lost")
RARE = ("expired", "forgotten", "rewound")


def partition(topic: str, **numbers: int) -> dict[str, Any]:
    """One line of a report."""
    return {"topic": topic, "partition": 3, **dict.fromkeys((*NUMBERS, *RARE), 0), **numbers}


@pytest.mark.parametrize("topic", ["event_purchase", "shop.eu-west-1.production.event_" + "x" * 200 + "purchase"])
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"high": 1_234_567, "next": 1_234_567, "stored": 1_234_000, "dead": 567},
        {
            "low": 9_000_000,
            "high": 91_234_567,
            "next": 91_234_567,
            "stored": 81_000_000,
            "duplicate": 234_000,
            "dead": 567,
        },
        dict.fromkeys(NUMBERS, 123_456),
    ],
)
def test_partitions_fit(topic: str, width: int, numbers: dict[str, int]) -> None:
    """What matters least goes: a topic's head, columns of nothing. What came of records stays."""
    head, row = partition_table([partition(topic, **numbers)], width)
    assert max(len(head), len(row)) <= width
    assert row.split()[0].endswith("purchase:3")
    for name in ("stored", "next"):
        assert name in head
        assert thousands(numbers.get(name, 0)) in row
    if numbers.get("dead"):
        assert "dead" in head.split()


def test_a_wide_terminal_shows_everything() -> None:
    """In the order of the equations."""
    head, row = partition_table([partition("event_purchase", stored=1234)], 160)
    assert head.split() == ["partition", *NUMBERS]
    assert row.split() == ["event_purchase:3", "0", "0", "0", "1,234", "0", "0", "0", "0", "0"]


def test_what_is_gone_is_shown_where_something_is() -> None:
    """Between what came of records and what is no record."""
    head, row = partition_table([partition("event_purchase", stored=9, expired=2, forgotten=1)], 160)
    assert head.split() == ["partition", *NUMBERS[:-2], "expired", "forgotten", *NUMBERS[-2:]]
    assert row.split() == ["event_purchase:3", "0", "0", "0", "9", "0", "0", "0", "2", "1", "0", "0"]


def test_no_partition() -> None:
    """The titles stand alone."""
    assert len(partition_table([], 80)) == 1


@pytest.mark.parametrize(
    ("reason", "rest"),
    [
        ("no rule repairs it (tried a, b): price: expected a number", "price: expected a number"),
        ("no rule repairs it (tried a (old)): x", "x"),
        ("no rule matches: x", "x"),
        ("a person: no rule matches: x", "a person: no rule matches: x"),
    ],
)
def test_a_reason_without_what_all_say(reason: str, rest: str) -> None:
    """What is wrong comes first in a list."""
    assert without_preamble(reason) == rest


def test_texts_are_wrapped_only_for_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a program a line is whole."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert room() is None
    assert wrapped("error: ", "x " * 100) == "error: " + "x " * 100
    monkeypatch.setenv("COLUMNS", "80")
    assert room() == 80
    lines = wrapped("error: ", "word " * 100).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("       word")


def test_the_end_of_a_name_stays() -> None:
    """With an ellipsis for its head."""
    assert cut_head("event_purchase", 9) == "…purchase"
    assert cut_head("short", 9) == "short"


def test_one_form_of_numbers() -> None:
    """Thousands are set apart."""
    assert (thousands(1234567), thousands(-1234), thousands(1234.56, 1)) == ("1,234,567", "-1,234", "1,234.6")
