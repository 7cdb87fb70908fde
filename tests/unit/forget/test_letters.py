"""Is a dead letter somebody's? By its fields, wherever they are, or by its bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etld.erasure.subject import FieldValue, make
from etld.forget.letters import concerns

SEVEN = make([FieldValue("user_details.user_id", "7")])
MAIL = make([FieldValue("user_details.email", "ada@example.com")])
BOTH = make([*SEVEN.conditions, *MAIL.conditions])


@pytest.mark.parametrize(
    ("event", "is_theirs"),
    [
        ({"user_details": {"user_id": 7}}, True),
        ({"user_details": {"user_id": " 7 "}}, True),
        ({"user_details": {"user_id": 70}}, False),
        ({"user_details": {"user_id": 8}, "event_details": {"user_id": 7}}, False),
        ({"user_details": "broken", "user_id": 7}, True),
        ({"usr": [{"user_id": "7"}]}, True),
        ({"user_details": {}}, False),
    ],
)
def test_by_fields(event: dict[str, Any], is_theirs: bool) -> None:
    """Where the field is in its place, it alone counts."""
    assert concerns(SEVEN, event, json.dumps(event).encode()) is is_theirs


def test_by_what_a_rule_made_of_it() -> None:
    """The repair has the field in its place."""
    assert concerns(SEVEN, {"user": 7}, b"", [{"user_details": {"user_id": 7}}])


@pytest.mark.parametrize(
    ("value", "is_theirs"),
    [
        (b'{"user_details": {"user_id": 7, "em', True),
        (b'{"user_details": {"user_id":"7"', True),
        (b'{"user_details": {"user_id": 70, ', False),
        (b'{"user_details": {"user_id": 7.5, ', False),
        (b"7777", False),
        (None, False),
    ],
)
def test_by_bytes_that_nobody_can_read(value: bytes | None, is_theirs: bool) -> None:
    """As JSON that is cut short."""
    assert concerns(SEVEN, None, value) is is_theirs


def test_a_telling_text_in_bytes() -> None:
    """As in Avro that is cut short; all conditions have to be met."""
    value = b"\0\0\0\0\1\x1eada@example.com\x02"
    assert concerns(MAIL, None, value)
    assert not concerns(BOTH, None, value)
