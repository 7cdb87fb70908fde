"""unwrap: one level of nesting too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.corrector import paths
from etld.corrector.steps import base

if TYPE_CHECKING:
    from etld.corrector.shape import Shape


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Takes off a level of nesting that the schema does not have: {"data": {event}}, {"price": {"value": 12.5}}."""

    below: paths.Path

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`unwrap = "*"`, or the path of the object to look into, such as "event_details"."""
        return cls(() if value == "*" else base.path(value))

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
    for key in [key for key in value if isinstance(value[key], dict)]:
        inside = value[key]
        wanted = [name for name in inside if name in known and (name not in value or name == key)]
        if not wanted or (key in known and key not in inside):
            continue
        # An object under its own name, {"event_details": {"event_details": {…}}}, counts as the envelope.
        if key in known:
            if isinstance(inside[key], dict) and len(inside) == 1:
                value[key] = inside[key]
            continue
        del value[key]
        for name in inside:
            value.setdefault(name, inside[name])


def _unwrap(value: dict[str, Any], shape: Shape) -> None:
    known = tuple(shape.fields)
    _lift(value, known)
    for name, inner in shape.fields.items():
        held = value.get(name)
        if not isinstance(held, dict):
            continue
        if inner.kind == "record":
            # What belongs beside this object, but was put inside it.
            for stray in [key for key in held if key not in inner.fields and key in known and key not in value]:
                value[stray] = held.pop(stray)
            _unwrap(held, inner)
        elif inner.kind != "map" and len(held) == 1:
            value[name] = next(iter(held.values()))
