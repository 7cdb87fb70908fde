"""JSON is taken strictly by RFC 8259."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.ingest import strict_json

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans(), st.sampled_from([None, 2]))
def test_every_json_text_passes(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert strict_json.parse(text, 100) == value


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4), st.data())
def test_a_repeated_key_is_found(value: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    again = json.dumps({key: data.draw(json_values)})[1:]
    text = f'{{"outer": [{json.dumps(value)[:-1]}, {again}]}}'.encode()
    with pytest.raises(strict_json.NotJson, match="twice"):
        strict_json.parse(text, 100)


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'{"a": Infinity}', b'"\xff"', b'"\\ud800"', b"1,", b"[1]]"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.parse(text, 32)


def test_depth() -> None:
    assert strict_json.parse(b"[" * 5 + b"]" * 5, 5)
    with pytest.raises(strict_json.NotJson, match="deep"):
        strict_json.parse(b'{"a":' * 6 + b"1" + b"}" * 6, 5)
