"""The words that a rule is made of, for whoever writes one."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from etld.deadletters.rules.match import TESTS, Match
from etld.deadletters.rules.paths import TOP_LEVEL
from etld.deadletters.rules.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etld.deadletters.rules.engine import EventTypes
    from etld.schemas.shape import Shape

_EXAMPLE = re.compile(r"`+(.+?)`+", re.DOTALL)


def words(types: EventTypes, names: Iterable[str]) -> dict[str, Any]:
    """Steps with what each does and how it is written, keys and tests of `match`, and the fields of event types."""
    steps = []
    for name, step in STEPS.items():
        example = _EXAMPLE.search(inspect.getdoc(step.parse) or "")
        written = example[1] if example and example[1].startswith(name) else f'{name} = "event_details."'
        steps.append({"name": name, "does": (inspect.getdoc(step) or "").split("\n")[0], "example": f"{{ {written} }}"})
    shapes = {name: types.shape(name) for name in names}
    known = {name: list(_fields(shape, "")) for name, shape in shapes.items() if shape is not None}
    return {"steps": steps, "match": [one.name for one in fields(Match)], "tests": list(TESTS), "fields": known}


def _fields(shape: Shape, prefix: str) -> Iterator[dict[str, Any]]:
    for name, one in shape.fields.items():
        if not prefix and name not in TOP_LEVEL:
            continue
        path = f"{prefix}.{name}" if prefix else name
        kind = f"list of {one.items.kind}" if one.kind == "array" and one.items else one.kind
        told = f"{kind} or null" if one.nullable else kind
        yield {"path": path, "type": told, "needed": one.required, "values": list(one.symbols)}
        if one.kind == "record":
            yield from _fields(one, path)
