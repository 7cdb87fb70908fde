"""What may be stored, the CSV that COPY reads, and a user's transform."""

from __future__ import annotations

import json
import re
import sys
import types
import uuid
from pathlib import Path

import polars as pl
import pytest

from etld.frames import load_transform, unstorable
from etld.frames.transform import TransformBroken
from etld.sinks.postgres.copy_binary import to_binary

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


def fields(rows: bytes) -> list[list[bytes | None]]:
    """COPY's binary format, read as its documentation says."""
    assert rows[:19] == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    at, found = 19, []
    while (count := int.from_bytes(rows[at : at + 2], signed=True)) >= 0:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            size = int.from_bytes(rows[at : at + 4], signed=True)
            at += 4
            row.append(rows[at : at + size] if size >= 0 else None)
            at += max(0, size)
        found.append(row)
    assert rows[at:] == b"\xff\xff"
    return found


def test_binary_rows_keep_null_and_nasty_text() -> None:
    """A null struct is NULL, an empty text is none, and text comes back as it was."""
    nasty = ["\\.", '"', ",", "\r\n", "", "ü 🎉", "\ufeff", "NULL", "\\N", "x" * 70_000]
    data = pl.DataFrame({"t": [*nasty, None], "s": [*({"a": text} for text in nasty), None]})
    *rows, last = fields(to_binary(data, {"t": "text", "s": "jsonb"}))
    assert [(row[0] or b"").decode() for row in rows] == nasty
    assert all(row[1] is not None and row[1][:1] == b"\x01" for row in rows)
    assert [json.loads((row[1] or b"")[1:])["a"] for row in rows] == nasty
    assert last == [None, None]


def test_binary_rows_of_numbers_times_and_ids() -> None:
    """Big-endian, a time from 2000 on in microseconds, an id in its 16 bytes; a null number is NULL."""
    ids = [uuid.uuid4() for _ in range(3)]
    data = pl.DataFrame(
        {
            "u": [str(ids[0]), str(ids[1]).upper(), str(ids[2])],
            "i": pl.Series([1, -2, None], dtype=pl.Int32),
            "b": [2**62, -1, 0],
            "w": pl.Series([0, 946_684_800_000_001, None], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
        }
    )
    rows = fields(to_binary(data, {"u": "uuid", "i": "integer", "b": "bigint", "w": "timestamptz"}))
    assert [row[0] for row in rows] == [one.bytes for one in ids]
    numbers = [[None if f is None else (len(f), int.from_bytes(f, signed=True)) for f in row[1:]] for row in rows]
    assert numbers == [
        [(4, 1), (8, 2**62), (8, -946_684_800_000_000)],
        [(4, -2), (8, -1), (8, 1)],
        [None, (8, 0), None],
    ]
    assert fields(to_binary(data.clear(), {"i": "integer"})) == []


def test_many_binary_rows_come_in_the_order_of_the_index() -> None:
    """Each row whole; few of them stay in their own order."""
    data = pl.DataFrame({"name": [f"n{i}" for i in range(3000)], "u": [str(uuid.uuid4()) for _ in range(3000)]})
    columns = {"name": "text", "u": "uuid"}
    as_they_are = fields(to_binary(data, columns))
    in_order = fields(to_binary(data, columns, "u"))
    assert in_order == sorted(as_they_are, key=lambda row: row[1] or b"") != as_they_are
    few = data.head(500)
    assert fields(to_binary(few, columns, "u")) == fields(to_binary(few, columns))


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


def test_a_missing_function_is_named() -> None:
    """With the name as it stands in the configuration."""
    with pytest.raises(TransformBroken, match="nowhere:f"):
        load_transform("nowhere:f")
    assert load_transform("") is None
