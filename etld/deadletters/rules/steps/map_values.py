"""map_values: one value for another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class MapValues:
    """Replaces values by a table of old = new; `other` is for those that are not in it."""

    fields: Fields
    values: dict[str, Any]
    other: tuple[Any, ...] = ()
    ignore_case: bool = False

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`map_values = { field = "event_details.carrier", values = { "U.P.S." = "UPS" }, ignore_case = true }`."""
        read = base.options(
            value,
            {"field": base.fields, "values": _table},
            {"other": base.json_value, "ignore_case": base.flag},
        )
        fold = read.get("ignore_case", False)
        values = {key.casefold() if fold else key: new for key, new in read["values"].items()}
        return cls(read["field"], values, (read["other"],) if "other" in read else (), fold)

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Replace; a value that already is one of the new ones stays."""
        for ref in self.fields.refs(event, shape):
            old = ref.value
            if isinstance(old, dict | list):
                continue
            key = old if isinstance(old, str) else json.dumps(old)
            key = key.casefold() if self.ignore_case else key
            if key in self.values:
                ref.value = self.values[key]
            elif self.other and old not in self.values.values():
                ref.value = self.other[0]


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise base.RuleError(f"expected a table of old = new, got {base.show(value)}")
    return {key: base.json_value(item) for key, item in value.items()}
