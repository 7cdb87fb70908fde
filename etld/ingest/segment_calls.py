"""Segment's calls other than track, as `[ingest.segment_calls]` wants them: an event, ignored, or a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.sections.ingest import DEAD_LETTER, IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etld.schemas.catalog import Catalog, EventType

#: What a call says beside its properties or traits, by the field of event_details that takes it.
_BESIDE = {"name": "name", "category": "category", "group_id": "groupId", "previous_id": "previousId"}
#: Fields that take all properties and traits, where the schema has a map by one of these names.
_MAPS = ("traits", "properties")


class SegmentCalls:
    """What becomes of each call, by its name."""

    def __init__(self, choices: Mapping[str, str], catalog: Catalog) -> None:
        self._ignored = frozenset(call for call, choice in choices.items() if choice == IGNORE)
        self._types = {
            call: _CallDetails(kind)
            for call, choice in choices.items()
            if choice not in (IGNORE, DEAD_LETTER) and (kind := catalog.get(choice)) is not None
        }

    def ignores(self, call: object) -> bool:
        """Is nothing kept of it?"""
        return type(call) is str and call in self._ignored

    def event(self, call: object, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """The event's name, type and details; None when the call is no event."""
        details = self._types.get(call) if type(call) is str else None
        if details is None:
            return None
        return {"event_name": call, "event_type": details.event_type, "event_details": details.of(sent)}


class _CallDetails:
    """Fills the event_details of one event type."""

    def __init__(self, kind: EventType) -> None:
        self.event_type = kind.name
        details = next((field.type for field in kind.schema.tree.fields if field.name == "event_details"), None)
        fields = () if details is None else (details.optional or details).fields
        self._fields = frozenset(field.name for field in fields)
        maps = {field.name for field in fields if (field.type.optional or field.type).kind == "map"}
        self._map = next((name for name in _MAPS if name in maps), None)

    def of(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Fields by their names; all properties and traits in the map, where there is one; else each by itself."""
        inner: dict[str, Any] = {}
        for part in ("traits", "properties"):
            value = sent.get(part)
            if type(value) is dict:
                inner.update(value)
        made = {name: value for name, value in inner.items() if self._map is None or name in self._fields}
        for name, source in _BESIDE.items():
            value = sent.get(source)
            if name in self._fields and value is not None:
                made[name] = value
        if "url" in self._fields and "url" not in made:
            page = sent.get("context", {}).get("page") if type(sent.get("context")) is dict else None
            if type(page) is dict and "url" in page:
                made["url"] = page["url"]
        if self._map is not None:
            made[self._map] = dict(_flat(inner))
        return made


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value by its path, `address.city` and `tags.0`: a map of an Avro schema nests no further."""
    for key, inner in value.items():
        path = f"{before}{key}"
        if type(inner) is list:
            inner = {str(index): item for index, item in enumerate(inner)}  # noqa: PLW2901  # one way for both
        if type(inner) is dict:
            yield from _flat(inner, f"{path}.")
        else:
            yield path, inner
