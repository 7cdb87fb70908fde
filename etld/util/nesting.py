"""How deep JSON may nest."""

from __future__ import annotations

from typing import Any

#: As deep as all that read and write it go: orjson writes 254 levels, Polars and the steps that rules and checks take
#: go to 250, Python's json reads 990, orjson 1,024, and PostgreSQL's jsonb 10,000 with the max_stack_depth as shipped.
DEEPEST = 200


def deeper(value: Any, most: int) -> bool:
    """Does a value hold objects and arrays in more than `most` levels? Layer by layer, since it may be deep."""
    layer = [value]
    for _ in range(most):
        below: list[Any] = []
        for one in layer:
            if isinstance(one, dict):
                below += one.values()
            elif isinstance(one, list):
                below += one
        layer = [one for one in below if isinstance(one, dict | list)]
        if not layer:
            return False
    return True
