"""Who is meant: fields by their names, values as the schemas have them, and the hash that is left of both."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etld.config import load
from etld.erasure import key
from etld.erasure.fields import KnownFields, subject
from etld.erasure.subject import FieldValue, canonical, make, named, number, values_of
from etld.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def known() -> KnownFields:
    """The fields of the shipped event types."""
    return KnownFields(load(ROOT / "config" / "etld.toml").event_types)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), (7.0, "7"), ("7", "7"), ("7.0", "7.0"), (Decimal("7.10"), "7.1"), (1e21, "1000000000000000000000"),
        (True, "true"), (None, None), ([7], None), ({"a": 7}, None), (2**63 - 1, "9223372036854775807"),
        (float("nan"), None), (Decimal("1E+5000"), "1E+5000"), (-0.0, "0"),
    ],
)  # fmt: skip
def test_a_value_as_text(value: Any, text: str | None) -> None:
    """A number is in its shortest form, and keeps all its digits."""
    assert canonical(value) == text


def test_a_long_number_keeps_its_digits() -> None:
    """No context of `decimal` rounds it."""
    digits = "1234567890" * 5
    assert number(f"{digits}.50") == f"{digits}.5"


@pytest.mark.parametrize(
    ("written", "path", "value"),
    [
        ("user_id=7", "user_details.user_id", "7"),
        ("user_id= 7.0 ", "user_details.user_id", "7"),
        ("user_details.email=A@b.c", "user_details.email", "A@b.c"),
        ("item_id=1", "event_details.item_id", "1"),
        ("email=a=b", "user_details.email", "a=b"),
        (
            "event_id=0190B5A0-0000-7000-8000-000000000000",
            "event_id",
            "0190b5a0-0000-7000-8000-000000000000",
        ),
    ],
)
def test_a_condition_as_it_is_written(known: KnownFields, written: str, path: str, value: str) -> None:
    """By the whole path, or by its end."""
    assert known.condition(written) == FieldValue(path, value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("user_id", "expected FIELD=VALUE"),
        ("user_id=", "expected FIELD=VALUE"),
        ("usr_id=7", 'did you mean "user_id"'),
        ("user_details.mail=a", "did you mean"),
        ("user_id=seven", "user_details.user_id: expected a number, got 'seven'"),
        ("triggered_at=2026-01-01", "names nobody"),
        ("event_id=7", "expected a UUID"),
        ("user_details=7", "no event type has a field user_details"),
    ],
)
def test_a_condition_that_is_none(known: KnownFields, written: str, said: str) -> None:
    """What is wrong, and what may be meant."""
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        known.condition(written)


def test_a_name_of_two_fields_is_asked_about(tmp_path: Path) -> None:
    """Both paths are named."""
    inner = [{"name": "code", "type": "string"}]
    fields: list[Any] = [
        {"name": name, "type": {"type": "record", "name": name, "fields": inner}}
        for name in ("user_details", "event_details")
    ]
    schema = tmp_path / "x.avsc"
    schema.write_text(json.dumps({"type": "record", "name": "X", "fields": fields}))

    class Kind:
        """An event type."""

    kind: Any = Kind()
    kind.schema = schema
    with pytest.raises(UsageError, match=r"event_details\.code or user_details\.code"):
        KnownFields({"x": kind}).condition("code=1")


def test_a_subject_names_somebody(known: KnownFields) -> None:
    """Not all of a kind, and nothing that contradicts itself."""
    with pytest.raises(UsageError, match="of everybody"):
        subject([known.condition("event_type=purchase")])
    with pytest.raises(UsageError, match="met by no event"):
        subject([known.condition("user_id=7"), known.condition("user_id=8")])
    both = subject([known.condition("user_id=7"), known.condition("event_type=purchase"), known.condition("user_id=7")])
    assert both.fields == ("event_type", "user_details.user_id")
    assert both.is_that_of({"event_type": "purchase", "user_details": {"user_id": 7.0}})
    assert not both.is_that_of({"event_type": "purchase", "user_details": {"user_id": 70}})
    assert not both.is_that_of({"event_type": "purchase", "user_details": None})


def test_a_file_of_subjects(known: KnownFields, tmp_path: Path) -> None:
    """One a line, each once; a line that lacks a value would mean more than was meant."""
    file = tmp_path / "ids.csv"
    file.write_text('\ufeffuser_id,email\n7,a@b.c\n\n8,"x,y"\n7.0,a@b.c\n', "utf-8")
    found = known.read_file(file)
    assert [one.values for one in found] == [("a@b.c", "7"), ("x,y", "8")]
    for text, said in (("user_id,email\n7,\n", "line 2"), ("", "is empty"), ("nobody\n1\n", "no event type")):
        file.write_text(text)
        with pytest.raises(UsageError, match=said):
            known.read_file(file)


def test_the_hash_of_a_subject_never_changes() -> None:
    """Or erasures on record would be known no more."""
    one = make([FieldValue("user_details.user_id", "7")])
    assert named(one.fields, one.values) == b'[["user_details.user_id","7"]]'
    found = key.ErasureKey(bytes(32))
    assert found.hashed(one.fields, one.values).hex() == (
        "7b170c02e9782bd1f1aed40a1187f73c1298672a603b91041d49680b52f057b3"
    )
    assert found.fingerprint == "076fd14d7fb7e5b5"
    assert values_of({"user_details": {"user_id": 7}}, one.fields) == ("7",)


def test_the_key_is_made_once(tmp_path: Path) -> None:
    """For its owner's eyes; one that is cut short is no key."""
    path = tmp_path / "var" / "erasure.key"
    with pytest.raises(key.ErasureKeyProblem, match="missing"):
        key.read(path)
    made = key.make(path)
    assert key.make(path) == made == key.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["erasure.key"]
    path.write_text("00ff")
    with pytest.raises(key.ErasureKeyProblem, match="cut short"):
        key.read(path)
