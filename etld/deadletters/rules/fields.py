"""Which fields a step works on: a path, a list of paths, "*" or "event_details.*"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.rules import paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.schemas.shape import Shape


@dataclass(slots=True)
class FieldRef:
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

    def refs(self, event: dict[str, Any], shape: Shape | None) -> Iterator[FieldRef]:
        """The places of `event` that were chosen and are there, with what the schema says of each.

        "*" leaves event_id out: it is the event's identity, no rule may touch it.
        """
        for path in self.chosen:
            if path[-1] != "*":
                parent = paths.get(event, path[:-1])
                if paths.get(parent, path[-1:]) is not paths.MISSING:
                    key = int(path[-1]) if isinstance(parent, list) else path[-1]
                    yield FieldRef(parent, key, shape.at(path) if shape else None)
                continue
            below = path[:-1]
            value = paths.get(event, below)
            for ref in _leaves(value, shape.at(below) if shape else None):
                if below or ref.container is not event or ref.key != "event_id":
                    yield ref


def _leaves(value: Any, shape: Shape | None) -> Iterator[FieldRef]:
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
            yield FieldRef(value, key, inner)


def _inner(shape: Shape | None, key: Any) -> Shape | None:
    if shape is None:
        return None
    return shape.fields.get(key) if shape.kind == "record" else shape.items
