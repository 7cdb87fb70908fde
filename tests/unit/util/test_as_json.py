"""Values in log lines: JSON keeps their shape."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from etld.util.as_json import MANY_LEVELS, as_json


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Colour(Enum):
    """An enumeration."""

    RED = "red"


@dataclass
class Thing:
    """A data class."""

    name: str
    at: Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, True]}, {"a": [1, None, True]}),
        ({1: (2, 3)}, {"1": [2, 3]}),
        ([Path("/tmp/x")], ["/tmp/x"]),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=90), 90.0),
        ({"b", "a"}, ["a", "b"]),
        ({"k": 1}.keys(), ["k"]),
        (b"a\xff", "a\\xff"),
        (float("nan"), "nan"),
        (Decimal("1.5"), "1.5"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Colour.RED, "red"),
        (Thing("n", Path("p")), {"name": "n", "at": "p"}),
        (ValueError("bad"), "bad"),
    ],
)
def test_the_shape_is_kept(value: Any, expected: Any) -> None:
    """Also of what json.dumps refuses."""
    assert as_json(value) == expected
    assert json.loads(json.dumps(as_json(value), allow_nan=False)) == expected


def test_each_text_goes_through_the_function() -> None:
    """Keys, too: no secret gets by in a list."""
    assert as_json({"pw": ["pw", {"pw"}]}, lambda text: text.replace("pw", "***")) == {"***": ["***", ["***"]]}


def test_what_holds_itself_ends() -> None:
    """As text, some levels down."""
    endless: list[Any] = []
    endless.append(endless)
    assert json.dumps(as_json(endless))


def test_what_is_deep_keeps_its_shape_where_it_is_asked_for() -> None:
    """Else it is text, however deep it goes: a value may hold itself."""
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    assert as_json(deep, levels=MANY_LEVELS) == deep
    itself: list[Any] = []
    itself.append(itself)
    assert json.dumps(as_json(itself)).count("[") < 20
