"""Which fields a step works on: a path, a list of paths, "*" or "event_details.*"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.rules import paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.schemas.shape import Shape


@dataclass(slots=True)
class Slot:
    """A place in an event that holds a value: read and write it here."""

    container: Any
    key: Any
    shape: Shape | None

    @property
    def value(self) -> Any:
        """What is there now."""
        return self.container[self.key]

    @value.setter
    def value(self, value: Any) -> None:
        self.container[self.key] = value


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed choice of fields; a path that ends in "*" means every value below it."""

    chosen: tuple[paths.Path, ...]

    def slots(self, event: dict[str, Any], shape: Shape | None) -> Iterator[Slot]:
        """The places of `event` that were chosen and are there, with what the schema says of each.

        "*" leaves event_id out: it is the event's identity, no rule may touch it.
        """
        for path in self.chosen:
            if path[-1] != "*":
                parent = paths.get(event, path[:-1])
                if paths.get(parent, path[-1:]) is not paths.MISSING:
                    key = int(path[-1]) if isinstance(parent, list) else path[-1]
                    yield Slot(parent, key, shape.at(path) if shape else None)
                continue
            below = path[:-1]
            value = paths.get(event, below)
            for slot in _leaves(value, shape.at(below) if shape else None):
                if below or slot.container is not event or slot.key != "event_id":
                    yield slot


def _leaves(value: Any, shape: Shape | None) -> Iterator[Slot]:
    keys: list[Any]
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys:
        inner = _inner(shape, key)
        if isinstance(value[key], dict | list) and value[key]:
            yield from _leaves(value[key], inner)
        else:
            yield Slot(value, key, inner)


def _inner(shape: Shape | None, key: Any) -> Shape | None:
    if shape is None:
        return None
    return shape.fields.get(key) if shape.kind == "record" else shape.items
