"""A batch of which one event is broken comes apart where its events end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.ingest.strict_json import NotJson, split_list

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.lists(json_values, min_size=1, max_size=5),
    st.dictionaries(st.text(), json_values, max_size=3),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_items_are_where_a_parser_finds_them(
    values: list[Any], others: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    document = {**others, "batch": values}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    around, items = split_list(text, b"batch", 50)
    assert [json.loads(item) for item in items] == values
    assert around == {**others, "batch": [None] * len(values)}


@pytest.mark.parametrize(
    "broken",
    [
        b'{"a": "\\ud83d"}',
        b'{"a": 1e400}',
        b'{"a": 1, "a": 2}',
        b'{"a": [{"b": {"c": 1, "c": 1}}]}',
        b'{"a": "\xff"}',
        b'{"a": "\xe2"}',
        b'{"a": NaN}',
        b'{"a": 1,}',
        b'{"a" 1}',
        b"nonsense",
        b"1 2",
        b"[" * 2000 + b"]" * 2000,
        b'{"batch": [1, {"a": 1, "a": 2}]}',
        b'"a tab\there ] } , \\" "',
    ],
)
def test_one_item_is_broken(broken: bytes) -> None:
    around, items = split_list(b' {"x": {"batch": [5]}, "batch" : [ 1, ' + broken + b' , {"b": "]"}]}', b"batch", 10)
    assert items == [b"1", broken, b'{"b": "]"}']
    assert around == {"x": {"batch": [5]}, "batch": [None, None, None]}


@pytest.mark.parametrize(
    "text",
    [
        b'{"batch": [1, {"a": 1]}',
        b'{"batch": [1, {"a": 1}',
        b'{"batch": [1, "open]}',
        b'{"batch": [1,, 2]}',
        b'{"batch": [1, 2,]}',
        b'{"batch": [1], "batch": [2]}',
        b'{"batch": [1], "b\\u0061tch": [2]}',
        b'{"batch": [1], "sentAt": "\\ud83d"}',
        b'{"batch": [1]} {"batch": [2]}',
        b'{"batch": [1] [2]}',
        b'{"batch": 1 [1]}',
        b'["batch": [1]]',
    ],
)
def test_what_is_around_them_is_broken(text: bytes) -> None:
    with pytest.raises(NotJson):
        split_list(text, b"batch", 10)


def test_a_key_may_be_spelt_with_escapes() -> None:
    assert split_list(b'{"b\\u0061tch": [1e400, 2]}', b"batch", 10)[1] == [b"1e400", b"2"]


@pytest.mark.parametrize("text", [b"[1e400]", b'{"other": [1]}', b'{"batch": {"batch": [1]}}', b'{"batch": []}'])
def test_no_such_list(text: bytes) -> None:
    try:
        assert split_list(text, b"batch", 10)[1] == []
    except NotJson:
        assert b"1e400" in text
