"""unwrap: one level of nesting too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Takes off a level of nesting that the schema does not have: {"data": {event}}, {"price": {"value": 12.5}}, [{details}]."""

    below: paths.Path

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`unwrap = "*"`, or the path of the object to look into, such as "event_details"."""
        return cls(() if value == "*" else base.source(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Lift what is nested once too often; only into fields that are missing."""
        if not self.below:
            # The envelope goes first: the event's type, and with it the schema, may be inside.
            _lift(event, paths.TOP_LEVEL)
        here = paths.get(event, self.below)
        inner = shape.at(self.below) if shape is not None else None
        if isinstance(here, dict) and inner is not None and inner.kind == "record":
            _unwrap(here, inner)


def _lift(value: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in list(value):
        inside = _alone(value[key])
        if not isinstance(inside, dict) or not any(name in known for name in inside):
            continue
        if key in known and not (isinstance(inside.get(key), dict) and set(inside) <= set(known)):
            continue
        # An object under its own name, {"event_details": {"event_details": {…}}}, is an envelope too.
        beside = {name: held for name, held in value.items() if name != key}
        if any(name in beside and name != "event_id" and beside[name] != inside[name] for name in inside):
            continue
        value.clear()
        value.update({**inside, **beside})


def _unwrap(value: dict[str, Any], shape: Shape) -> None:
    known = tuple(shape.fields)
    _lift(value, known)
    for name, inner in shape.fields.items():
        held = value.get(name)
        if inner.kind == "record" and name in value:
            held = value[name] = _alone(held)
        if not isinstance(held, dict):
            continue
        if inner.kind == "record":
            # What belongs beside this object, but was put inside it.
            for stray in [key for key in held if key not in inner.fields and key in known and key not in value]:
                value[stray] = held.pop(stray)
            _unwrap(held, inner)
        elif inner.kind != "map" and len(held) == 1:
            value[name] = next(iter(held.values()))


def _alone(value: Any) -> Any:
    """The object of a list that holds nothing else."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else value
