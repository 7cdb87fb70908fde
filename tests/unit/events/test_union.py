"""Which branch of a union a value is of, and what is said when it is of none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etld.events.union import BranchValue
from etld.events.validate import Invalid, Valid
from support.event_types import validator

_PURCHASE = json.loads((Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text())
_CARD = {"type": "record", "name": "Card", "namespace": "pay", "fields": [{"name": "last4", "type": "string"}]}
_IBAN = {"type": "record", "name": "Iban", "fields": [{"name": "iban", "type": "string"}]}
_PAY = ["null", _CARD, _IBAN]
_CENTS = {"type": "record", "name": "Cents", "fields": [{"name": "n", "type": "string"}]}
_COINS = {"type": "record", "name": "Coins", "fields": [{"name": "n", "type": "long"}]}


def _check(kind: Any, value: Any) -> Valid | Invalid:
    schema = json.loads(json.dumps(_PURCHASE))
    schema["fields"][5]["type"]["fields"] = [{"name": "x", "type": kind}]
    return validator(schema).validate(
        {
            "event_name": "bought",
            "event_type": "purchase",
            "triggered_at": "2025-01-31T12:00:00Z",
            "user_details": {"user_id": 7},
            "event_details": {"x": value},
        }
    )


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        (["null", "double", "long", "string"], 5, BranchValue(2, 5)),
        (["null", "string", "double", "boolean"], 5, BranchValue(2, 5.0)),
        (["null", "string", "double", "boolean"], True, BranchValue(3, True)),
        (["null", "string", "double", "boolean"], "5", BranchValue(1, "5")),
        (["int", "long", "null"], 2**40, BranchValue(1, 2**40)),
        (["long", "int", "null"], 5, BranchValue(0, 5)),
        (["float", "double"], 1.1, BranchValue(1, 1.1)),
        (["float", "double"], 1.5, BranchValue(0, 1.5)),
        (["string", "long"], None, None),
        (["string", {"type": "long", "logicalType": "timestamp-micros"}], "2025-01-31T12:00:00Z", 0),
        ([{"type": "long", "logicalType": "timestamp-micros"}, "double"], 7, 0),
        ([_CARD, _IBAN], {"iban": "DE00"}, BranchValue(1, {"iban": "DE00"})),
        ([_CENTS, _COINS], {"n": 5}, BranchValue(1, {"n": 5})),
        ([{"type": "map", "values": "string"}, _IBAN], {"iban": "DE00"}, 0),
        ([_IBAN, {"type": "map", "values": "string"}], {"iban": "DE00"}, 0),
    ],
)
def test_the_branch(kind: Any, value: Any, taken: Any) -> None:
    """Exactly what it is, else the smallest change, else the first."""
    result = _check(kind, value)
    if taken is None:
        assert isinstance(result, Invalid)
        return
    assert isinstance(result, Valid), result
    found = result.event["event_details"]["x"]
    assert (found.branch if isinstance(taken, int) else found) == taken


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (_PAY, {"iban": {}}, ["event_details.x.iban: expected a string (as in Iban), got an object"]),
        (
            _PAY,
            {"last4": []},
            ["event_details.x.last4: expected a string (as in Card), got an array"],
        ),
        (
            _PAY,
            {"ibann": 5},
            [
                "event_details.x.iban: expected a value: the field is required (as in Iban), got nothing",
                'event_details.x.ibann: expected no field of this name; did you mean "iban"? (as in Iban), got 5',
            ],
        ),
        (_PAY, "text", ['event_details.x: expected null or Card or Iban, got "text"']),
        (["null", "string", _IBAN], {"iban": []}, ["event_details.x.iban: expected a string, got an array"]),
        (["null", "long", "boolean"], "5", ['event_details.x: expected null or long or boolean, got "5"']),
    ],
)
def test_what_is_said(kind: Any, value: Any, said: list[str]) -> None:
    """Of the branch that is nearest, by its name where there are several."""
    result = _check(kind, value)
    assert isinstance(result, Invalid)
    assert [str(one) for one in result.errors] == said
