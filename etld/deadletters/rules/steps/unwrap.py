"""unwrap: one level of nesting too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from collections.abc import Collection

    from etld.schemas.shape import Shape

# What senders call a box around one thing. Any other key says something: {"old_price": 798} is no price.
WRAPPERS: Final = frozenset({
    "value", "val", "data", "payload", "body", "content", "result",
    "event", "message", "record", "object", "item", "user",
    "details", "attributes", "properties", "props", "params", "fields", "traits",
})  # fmt: skip
# The JSON encoding of Avro names the branch of a union: https://avro.apache.org/docs/1.12.0/specification/#json-encoding
_AVRO_TYPES: Final = frozenset({"int", "long", "float", "double", "string", "boolean", "bytes"})


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Takes off a wrapper (data, value, payload, $numberLong …, or one of `keys`) that the schema does not have."""

    below: paths.Path
    #: In small letters; none: the known wrappers.
    keys: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`unwrap = "*"`, the path of the object to look into, or `{ keys = ["box"], field = "event_details" }`."""
        if isinstance(value, dict):
            read = base.options(value, {"keys": _keys}, {"field": _below})
            return cls(read.get("field", ()), read["keys"])
        return cls(_below(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Lift what is nested once too often; only into fields that are missing."""
        if not self.below:
            # The envelope goes first: the event's type, and with it the schema, may be inside.
            self._lift(event, paths.TOP_LEVEL)
        here = paths.get(event, self.below)
        inner = shape.at(self.below) if shape is not None else None
        if isinstance(here, dict) and inner is not None and inner.kind == "record":
            self._unwrap(here, inner)

    def _is_wrapper(self, key: str) -> bool:
        name = key.lower()
        if self.keys:
            return name in self.keys
        # MongoDB's extended JSON: {"$oid": "…"}, {"$numberLong": "7"}, {"$date": "…"}.
        return name in WRAPPERS or name in _AVRO_TYPES or key.startswith("$")

    def _lift(self, value: dict[str, Any], known: Collection[str]) -> None:
        """Put what is in a wrapper in its place, where it has fields that belong there and none that clashes."""
        for key in list(value):
            inside = _alone(value[key])
            if not isinstance(inside, dict) or not any(name in known for name in inside):
                continue
            if key in known:
                # An object under its own name, {"event_details": {"event_details": {…}}}, is an envelope too.
                if not (isinstance(inside.get(key), dict) and set(inside) <= set(known)):
                    continue
            elif not self._is_wrapper(key):
                continue
            beside = {name: held for name, held in value.items() if name != key}
            if any(name in beside and name != "event_id" and beside[name] != inside[name] for name in inside):
                continue
            value.clear()
            value.update({**inside, **beside})

    def _unwrap(self, value: dict[str, Any], shape: Shape) -> None:
        self._lift(value, shape.fields)
        for name, inner in shape.fields.items():
            if inner.kind == "record" and name in value:
                value[name] = _alone(value[name])
            held = value.get(name)
            if not isinstance(held, dict):
                continue
            if inner.kind == "record":
                # What belongs beside this object, but was put inside it.
                for stray in [
                    key for key in held if key not in inner.fields and key in shape.fields and key not in value
                ]:
                    value[stray] = held.pop(stray)
                self._unwrap(held, inner)
            elif inner.kind != "map":
                value[name] = self._unboxed(held)

    def _unboxed(self, held: Any) -> Any:
        """The value in a box, or in boxes: {"$date": {"$numberLong": "1764547200000"}}."""
        while isinstance(held, dict) and len(held) == 1:
            ((key, inside),) = held.items()
            if not self._is_wrapper(key):
                break
            held = inside
        return held


def _below(value: Any) -> paths.Path:
    return () if value == "*" else base.source(value)


def _keys(value: Any) -> frozenset[str]:
    keys = frozenset(base.text(key).lower() for key in base.one_or_more(value))
    if "" in keys:
        raise base.RuleError("expected the name of a key, got ''")
    return keys


def _alone(value: Any) -> Any:
    """The object of a list that holds nothing else."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else value
