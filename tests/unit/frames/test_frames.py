"""What may be stored, and a user's transform."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import polars as pl
import pytest

from etld.frames import load_transform, ready, unstorable
from etld.frames.transform import TransformBroken

ROOT = Path(__file__).parents[3]
ID = "0190d5a0-0000-7000-8000-00000000000{}"


def frame(n: int = 3, **columns: object) -> pl.DataFrame:
    """`n` good purchases, with columns replaced."""
    base = {
        "row": pl.Series(range(n), dtype=pl.UInt32),
        "event_id": [ID.format(i) for i in range(n)],
        "event_name": ["added_to_cart"] * n,
        "event_type": ["purchase"] * n,
        "triggered_at": pl.Series([1_760_000_000_000_000] * n).cast(pl.Datetime("us", "UTC")),
        "user_details": [{"user_id": i, "email": f"A{i}@X.org", "country": "GB"} for i in range(n)],
        "event_details": [{"item_name": "lamp", "price": 1.5, "tags": ["a"]} for _ in range(n)],
    }
    return pl.DataFrame(base | columns)


def test_a_good_frame_is_storable() -> None:
    """No false alarm."""
    assert unstorable(frame(), "purchase") == []


@pytest.mark.parametrize(
    ("columns", "error_class"),
    [
        ({"event_id": [ID.format(0), "no uuid", ID.format(2)]}, "InvalidEventId"),
        ({"event_type": ["purchase", "order", "purchase"]}, "WrongEventType"),
        ({"event_name": ["a", "b\0", "c"]}, "NulCharacter"),
        ({"triggered_at": pl.Series([0, 2**63 - 1, 0]).cast(pl.Datetime("us", "UTC"))}, "TimeOutOfRange"),
        (
            {"event_details": [{"item_name": "x", "price": p, "tags": ["a"]} for p in (1.0, float("nan"), 2.0)]},
            "NotFinite",
        ),
        ({"event_details": [{"item_name": "x", "price": 1.0, "tags": [t]} for t in ("a", "b\0", "c")]}, "NulCharacter"),
        ({"event_name": ["a", None, "c"]}, "MissingField"),
    ],
)
def test_exactly_the_bad_row_is_named(columns: dict[str, object], error_class: str) -> None:
    """Nested or not, the middle row and no other."""
    (bad,) = unstorable(frame(**columns), "purchase")
    assert (bad.row, bad.error_class) == (1, error_class)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """An importable module of the test's own."""
    made = types.ModuleType("etld_test_hooks")
    monkeypatch.setitem(sys.modules, "etld_test_hooks", made)
    return made


def test_the_example_of_the_docs(module: types.ModuleType) -> None:
    """The worked example does what its text says."""
    text = (ROOT / "docs" / "transforms.md").read_text()
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], module.__dict__)
    users = [{"user_id": 1, "email": "A@X.ORG", "country": c} for c in ("GB", "XX")]
    transform = load_transform("etld_test_hooks:purchase")
    assert transform is not None
    kept, filtered = transform(frame(2, user_details=users))
    assert kept["user_details"].struct.field("email").to_list() == ["a@x.org"]
    assert filtered["row"].to_list() == [1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda f: f.head(1), "rows"),
        (lambda f: f.with_columns(event_id=pl.lit(ID.format(9))), "changed event_id"),
        (lambda f: f.with_columns(event_name=pl.lit(1)), "event_name"),
        (lambda f: f.with_columns(more=1), "added"),
        (lambda f: None, "expected a polars DataFrame"),
        (lambda f: f.with_columns(etld_drop=pl.lit("yes")), "Boolean"),
    ],
)
def test_a_broken_contract_is_named(module: types.ModuleType, function: object, message: str) -> None:
    """So that a worker stops instead of storing something else."""
    module.hook = function
    transform = load_transform("etld_test_hooks:hook")
    assert transform is not None
    with pytest.raises(TransformBroken, match=message):
        transform(frame())


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ('{"a": 1}', True),
        (" null ", True),
        (None, True),
        ("plain", False),
        ("", False),
        ("NaN", False),
        ('1, "b": 2', False),
        ('{"a": "\\ud800"}', False),
    ],
)
@pytest.mark.parametrize("place", ["a struct", "a list", "the column"])
def test_json_text_has_to_be_json(module: types.ModuleType, place: str, text: str | None, is_json: bool) -> None:
    """What is none is the dead letter of its own row, for table and summaries alike; what stays is not read again."""
    before = [b"{}", b"{}", b"never read"]

    def shaped(value: bytes | str | None) -> object:
        return {"a struct": {"id": 1, "attrs": value}, "a list": [{"attrs": value}], "the column": value}[place]

    def hook(given: pl.DataFrame) -> pl.DataFrame:
        made = [shaped(text) if row == 1 else given["event_details"][i] for i, row in enumerate(given["row"])]
        return given.with_columns(pl.Series("event_details", made, dtype=given.schema["event_details"]))

    module.hook = hook
    kept, _, bad = ready(
        frame(event_details=[shaped(one) for one in before]), load_transform("etld_test_hooks:hook"), None
    )
    assert kept["row"].to_list() == ([0, 1, 2] if is_json else [0, 2])
    assert [(one.row, one.stage) for one in bad] == ([] if is_json else [(1, "TRANSFORM")])
    assert all("attrs: expected JSON text" in one.message or place == "the column" for one in bad)


def test_a_missing_function_is_named() -> None:
    """With the name as it stands in the configuration."""
    with pytest.raises(TransformBroken, match="nowhere:f"):
        load_transform("nowhere:f")
    assert load_transform("") is None
