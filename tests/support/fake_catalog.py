"""A catalog of event types of the tests' own: purchases, and one valid event of them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from etld.events.times import parse_time
from etld.schemas import shape, tree
from support import events

PURCHASE: dict[str, Any] = {
    "type": "record",
    "name": "purchase",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_name", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {
            "name": "user_details",
            "type": {
                "type": "record",
                "name": "user",
                "fields": [
                    {"name": "user_id", "type": "long"},
                    {"name": "name", "type": ["null", "string"], "default": None},
                    {"name": "country", "type": ["null", "string"], "default": None},
                ],
            },
        },
        {
            "name": "event_details",
            "type": {
                "type": "record",
                "name": "details",
                "fields": [
                    {"name": "item_id", "type": "long"},
                    {"name": "item_name", "type": "string"},
                    {"name": "price", "type": "double"},
                    {"name": "gift", "type": "boolean", "default": False},
                    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
                    {
                        "name": "size",
                        "type": ["null", {"type": "enum", "name": "size", "symbols": ["S", "M"]}],
                        "default": None,
                    },
                ],
            },
        },
    ],
}


def event(**details: Any) -> dict[str, Any]:
    """A valid purchase, always the same, with some of its details replaced."""
    return events.event(
        details=details,
        event_id="00000000-0000-4000-8000-000000000001",
        event_name="added_to_cart",
        triggered_at="2026-11-24T10:00:00Z",
    )


class FakeTypes:
    """Knows purchases; an event is valid when each field has the Python type its schema stands for."""

    _wanted: ClassVar = {"string": str, "long": int, "double": float, "boolean": bool, "array": list, "enum": str}

    def __init__(self) -> None:
        self._shape = shape.of(tree.parse(PURCHASE))

    def shape(self, event_type: Any) -> shape.Shape | None:
        return self._shape if event_type == "purchase" else None

    def problems(self, event: dict[str, Any]) -> tuple[str, ...]:
        if event.get("event_type") != "purchase":
            return ("event_type: not known",)
        return tuple(self._problems(event, self._shape, ""))

    def stored(self, event: dict[str, Any]) -> str:
        return json.dumps({**event, "triggered_at": parse_time(event["triggered_at"])}, sort_keys=True)

    def _problems(self, value: dict[str, Any], of: shape.Shape, at: str) -> list[str]:
        found = [f"{at}{key}: not known" for key in value if key not in of.fields]
        for name, inner in of.fields.items():
            if name not in value:
                found += [f"{at}{name}: missing"] if inner.required else []
            elif inner.kind == "record" and isinstance(value[name], dict):
                found += self._problems(value[name], inner, f"{at}{name}.")
            elif value[name] is None and inner.nullable:
                continue
            elif inner.kind == "timestamp":
                found += [] if "T" in str(value[name]) else [f"{at}{name}: no time"]
            elif type(value[name]) is not self._wanted.get(inner.kind):
                found.append(f"{at}{name}: expected {inner.kind}")
        return found
