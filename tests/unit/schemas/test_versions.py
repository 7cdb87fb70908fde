"""Two versions of a schema, side by side."""

from __future__ import annotations

from etld.schemas.versions import difference


def test_only_what_differs_is_told() -> None:
    """However each is spelt: order of lines and white space are laid out alike."""
    old = '{"type": "record", "name": "a", "fields": [{"name": "x", "type": "long"}]}'
    new = '{"type":"record","name":"a","fields":[{"name":"x","type":"double"}]}'
    assert difference(old, " " + old.replace(" ", "  "), ("1", "2")) == []
    changed = [line for line in difference(old, new, ("1", "2")) if line[0] in "+-"]
    assert changed == ["--- 1", "+++ 2", '-      "type": "long"', '+      "type": "double"']
