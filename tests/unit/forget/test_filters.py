"""What of a filter is a subject's value."""

from __future__ import annotations

import pytest

from etld.forget.filters import _without


@pytest.mark.parametrize(
    ("key", "told", "left"),
    [
        ("user", "7", "(forgotten)"),
        ("user", "70", "70"),
        ("text", "mail=a.b@c.example;", "mail=(forgotten);"),
        ("text", "xa.b@c.example", "xa.b@c.example"),
        ("error", "got 7, and 17", "got (forgotten), and 17"),
        ("reason", "of 7", "of 7"),
        ("states", ["7"], ["7"]),
    ],
)
def test_values_go_where_they_are_words_of_a_filter(key: str, told: object, left: object) -> None:
    assert _without(key, told, ["7", "a.b@c.example"]) == left
