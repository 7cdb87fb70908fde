"""Schemas of a registry that refer to others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etld.schemas import tree
from etld.schemas.registry.references import TooManyReferences, inlined

_ITEM = {"type": "record", "name": "Item", "namespace": "shop", "fields": [{"name": "price", "type": "Money"}]}
_MONEY = {"type": "record", "name": "Money", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}
_ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "other",
    "fields": [
        {"name": "first", "type": "shop.Item"},
        {"name": "more", "type": {"type": "array", "items": ["null", "shop.Item"]}},
        {"name": "paid", "type": {"type": "shop.Money"}},
    ],
}


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "subject": name, "version": 1}


def test_one_schema_of_several() -> None:
    """Each type is defined where it is first named, those behind it too."""
    stored = {
        "shop.Item": (json.dumps(_ITEM), [_named("shop.Money")]),
        "shop.Money": (json.dumps(_MONEY), []),
    }
    text = inlined(json.dumps(_ORDER), [_named("shop.Item"), _named("shop.Money")], lambda subject, _: stored[subject])
    first, more, paid = (field.type for field in tree.read(text).fields)
    assert (first.name, first.fields[0].type.name) == ("shop.Item", "shop.Money")
    assert more.items is not None
    assert more.items.optional == first
    assert paid == first.fields[0].type


def test_without_references_it_is_as_it_is() -> None:
    """To the letter."""
    assert inlined('{"type":  "string"}', [], lambda *_: ("", [])) == '{"type":  "string"}'


def test_references_without_end() -> None:
    """Are refused."""
    numbers = iter(range(1000))

    def fetch(_subject: str, _version: int) -> tuple[str, list[dict[str, Any]]]:
        return json.dumps(_MONEY), [_named(f"more{next(numbers)}")]

    with pytest.raises(TooManyReferences):
        inlined(json.dumps(_ORDER), [_named("shop.Item")], fetch)
