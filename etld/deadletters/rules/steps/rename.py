"""rename: a field under a wrong name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Final, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base
from etld.events.ids import misplaced
from etld.schemas.shape import Shape

# A name this much like the missing one is taken for it: "prise" for "price", not "name" for "price".
LIKENESS = 0.7
# What every event has: it may be event_type itself that is misspelt.
_ANY_EVENT: Final = Shape("record", fields={name: Shape("other") for name in paths.TOP_LEVEL})


@dataclass(frozen=True, slots=True)
class Rename:
    """Gives a field its right name where it stands; "*" renames what is unknown to the missing field it resembles."""

    sources: tuple[paths.Path, ...]
    name: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`rename = { from = "event_details.prise", to = "price" }`, `from` may be a list, or `rename = "*"`."""
        if value == "*":
            return cls((), "*")
        read = base.options(value, {"from": base.source_list, "to": base.source})
        name = read["to"]
        for source in read["from"]:
            if len(name) > 1 and name[:-1] != source[:-1]:
                raise base.RuleError(f"{paths.text(name)!r} is at another place: use move", "to")
        return cls(read["from"], name[-1])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Rename, unless a field of the right name is there already."""
        if self.name == "*":
            _drop_twin_of_id(event)
            _by_likeness(event, shape or _ANY_EVENT)
            return
        for source in self.sources:
            parent = paths.get(event, source[:-1])
            if isinstance(parent, dict) and source[-1] in parent and parent.get(self.name) is None:
                parent[self.name] = parent.pop(source[-1])


def _drop_twin_of_id(event: dict[str, Any]) -> None:
    """The id under a wrong name, which is the event's id by now."""
    for key in [key for key in event if key not in paths.TOP_LEVEL]:
        held = event[key]
        if isinstance(held, str) and held.lower() == event.get("event_id") and misplaced({key: held}):
            del event[key]


def _by_likeness(value: dict[str, Any], shape: Shape) -> None:
    missing = [name for name in shape.fields if name not in value]
    for key in [key for key in value if key not in shape.fields]:
        near = difflib.get_close_matches(_plain(key), [_plain(name) for name in missing], n=2, cutoff=LIKENESS)
        if len(near) == 1 or (near and near[0] == _plain(key)):
            name = next(name for name in missing if _plain(name) == near[0])
            value[name] = value.pop(key)
            missing.remove(name)
    for name, inner in shape.fields.items():
        if inner.kind == "record" and isinstance(value.get(name), dict):
            _by_likeness(value[name], inner)


def _plain(name: str) -> str:
    """A name without what spellings differ in: itemId, item-id and item_id are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
