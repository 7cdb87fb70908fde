"""How deep JSON nests."""

from __future__ import annotations

from typing import Any

import pytest

from etld.util.nesting import deeper


@pytest.mark.parametrize(
    ("value", "depth"),
    [({}, 1), ([1, "a"], 1), ({"a": [{}, 1]}, 3), ([[[]], {"b": 1}], 3)],
)
def test_depth(value: Any, depth: int) -> None:
    assert not deeper(value, depth)
    assert deeper(value, depth - 1)


def test_any_depth_is_looked_through() -> None:
    """Without a stack."""
    value: Any = 1
    for _ in range(20_000):
        value = [value]
    assert deeper(value, 200)
    assert not deeper(value, 20_000)
