"""Segment's spelling of an event to etld's, by the paths of `[ingest.segment_map]`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from etld.events.ids import canonical, derived, new_event_id
from etld.events.limits import FIELDS
from etld.events.violation import Violation, show
from etld.ingest.segment_calls import SegmentCalls
from etld.ingest.text_numbers import Fix, fix_of
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from etld.schemas.catalog import Catalog
    from etld.schemas.tree import Type

_MISSING = object()
_MARKS = ("messageId", "event", "properties", "userId", "anonymousId", "groupId", "previousId")


class SegmentMap:
    """Rewrites events that are spelt as Segment spells them; others pass as they are.

    A source may name several paths, "timestamp | sentAt": the first that the event has counts. `receivedAt`
    is the time of its arrival. A part of the source that one target takes by itself (`properties.event_type`)
    is left out of a target that takes the whole around it (`properties`). A number that came as text, as
    Segment's userId does, becomes a number where the schema has one, if it reads back the same.
    """

    def __init__(self, mapping: Mapping[str, str], catalog: Catalog, calls: Mapping[str, str] | None = None) -> None:
        self._targets = [
            (target.split("."), [_Source(path.strip().split(".")) for path in sources.split("|")])
            for target, sources in mapping.items()
        ]
        paths = [source.path for _, sources in self._targets for source in sources]
        for _, sources in self._targets:
            for source in sources:
                source.taken = [path[len(source.path) :] for path in paths if _below(path, source.path)]
        self._catalog = catalog
        self._calls = SegmentCalls(calls or {}, catalog)
        self._numbers = {kind.name: _number_fixes(kind.schema.tree) for kind in catalog}
        self._unplaced = {
            kind.name: [target for target, sources in self._targets if _is_unplaced(kind.schema.tree, target, sources)]
            for kind in catalog
        }

    def applies(self, event: Mapping[str, Any]) -> bool:
        """Is it spelt as Segment spells it?"""
        if "event_name" in event or _holds_event(event.get("event")) or _holds_event(event.get("properties")):
            return False
        return any(mark in event for mark in _MARKS)

    def share(self, batch: Mapping[str, Any], events: Iterable[Any]) -> None:
        """Give each event what its batch says once for all of them: `context` (merged) and `sentAt`."""
        context, sent = batch.get("context"), batch.get("sentAt")
        for event in events:
            if type(event) is not dict or not self.applies(event):
                continue
            own = event.get("context")
            if type(context) is dict and (own is None or type(own) is dict):
                event["context"] = {**context, **(own or {})}
            if sent is not None and event.get("sentAt") is None:
                event["sentAt"] = sent

    def ignored(self, event: Mapping[str, Any], path_call: str) -> tuple[str, str] | None:
        """Name and event id of a call that the configuration ignores; None of any other."""
        call = _call_of(event, path_call)
        if not self._calls.ignores(call):
            return None
        message = event.get("messageId")
        return call, event_id_of(message) if isinstance(message, str) else new_event_id()

    def rewrite(self, event: Mapping[str, Any], path_call: str = "track") -> dict[str, Any]:
        """The event in etld's spelling; what neither knows (context, integrations, …) is left out."""
        out: dict[str, Any] = {name: event[name] for name in FIELDS if name in event}
        call = _call_of(event, path_call)
        made = None if call == "track" else self._calls.event(call, event)
        if made is not None:
            out.update(made)
        self._map(event, out, () if made is None else made)
        message = out.get("event_id")
        if isinstance(message, str):
            out["event_id"] = event_id_of(message)
        if out.get("event_type") is None:
            kind = self._catalog.of_event(out.get("event_name"))
            if kind is not None:
                out["event_type"] = kind.name
        # A call that is no event is none, whatever else it has: `explain` says so.
        if call != "track" and made is None:
            out["type"] = call
        self._suit(out)
        return out

    def _map(self, event: Mapping[str, Any], out: dict[str, Any], made: Container[str]) -> None:
        """Fill the targets, but for fields that are made already."""
        for target, sources in self._targets:
            if target[0] in made:
                continue
            for source in sources:
                value = time.time() if source.arrival else _get(event, source.path)
                if value is not _MISSING and value is not None:
                    if source.taken and type(value) is dict:
                        value = _without(value, source.taken)
                    _put(out, target, value)
                    break

    def _suit(self, out: dict[str, Any]) -> None:
        """Make the event suit its type's schema, where nothing is lost by it."""
        name = str(out.get("event_type"))
        for path in self._unplaced.get(name, ()):
            _drop(out, path)
        for field, fix in self._numbers.get(name, ()):
            if field in out:
                out[field] = fix(out[field])

    def explain(
        self,
        call: Mapping[str, Any],
        event: Mapping[str, Any],
        found: Iterable[Violation],
        hint: Callable[[str, Iterable[str]], str] = did_you_mean,
    ) -> tuple[list[Violation], list[Violation]]:
        """What is wrong with the `event` that `call` became: in etld's paths, and in those its sender knows."""
        mistakes = [item for item in found if item.path != "type"]
        if "type" in event:
            mistakes.insert(0, Violation("type", '"track"', show(event["type"])))
        name = event.get("event_name")
        if event.get("event_type") is None and isinstance(name, str):
            mistakes = [self._unknown(name, hint) if item.path == "event_type" else item for item in mistakes]
        told = [Violation(self._back(call, item.path), item.expected, item.got) for item in mistakes]
        return mistakes, told

    def _unknown(self, name: str, hint: Callable[[str, Iterable[str]], str]) -> Violation:
        """No event type was named, and the event's name does not tell it."""
        names = {known for kind in self._catalog for known in kind.event_names}
        meant = "" if name in names else hint(name, names)
        where = self._sources("event_type")[0]
        return Violation(
            "event_name", f"a name that exactly one event type lists, or the type in {where}{meant}", show(name)
        )

    def _back(self, call: Mapping[str, Any], path: str) -> str:
        """The place in `call` that this path of the event came from, or would have."""
        steps = re.split(r"(?=[.\[])", path)
        if steps[0] in call:
            return path
        for length in range(len(steps), 0, -1):
            head = "".join(steps[:length])
            sources = self._sources(head, call)
            if sources:
                return sources[0] + path[len(head) :]
        below = [".".join(target) for target, _ in self._targets if target[0] == path]
        return self._sources(below[0], call)[0] if below else path

    def _sources(self, target: str, call: Mapping[str, Any] | None = None) -> list[str]:
        """The paths that a target may come from; the one that the call has first."""
        found = [source for to, sources in self._targets if ".".join(to) == target for source in sources]
        found.sort(key=lambda source: source.arrival or _get(call or {}, source.path) in (_MISSING, None))
        return [".".join(source.path) for source in found] or ([] if call is not None else [target])


class _Source:
    """One path of an event; `taken`: what other targets take from below it."""

    __slots__ = ("arrival", "path", "taken")

    def __init__(self, path: list[str]) -> None:
        self.path = path
        self.arrival = path == ["receivedAt"]
        self.taken: list[list[str]] = []


def _holds_event(value: Any) -> bool:
    """{ "event": { "event_name": … } } is an envelope around an event: a rule of the corrector takes it off."""
    return isinstance(value, dict) and "event_name" in value


def event_id_of(message_id: str) -> str:
    """The event id of a messageId: itself when it is a UUID. It names one event in whatever batch it comes."""
    try:
        return canonical(message_id)
    except ValueError:
        return derived("messageId", message_id, 0)


def _below(path: list[str], parent: list[str]) -> bool:
    return len(path) > len(parent) and path[: len(parent)] == parent


def _get(value: Any, path: list[str]) -> Any:
    for step in path:
        if type(value) is not dict or step not in value:
            return _MISSING
        value = value[step]
    return value


def _put(out: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = out.get(step)
        if type(inner) is not dict:
            inner = out[step] = {}
        out = inner
    if path[-1] not in out:
        out[path[-1]] = value


def _without(value: dict[str, Any], paths: list[list[str]]) -> dict[str, Any]:
    out = dict(value)
    for path in paths:
        if len(path) == 1:
            out.pop(path[0], None)
        elif type(out.get(path[0])) is dict:
            out[path[0]] = _without(out[path[0]], [path[1:]])
    return out


def _drop(out: dict[str, Any], path: list[str]) -> None:
    for step in path[:-1]:
        inner = out.get(step)
        if type(inner) is not dict:
            return
        out = inner
    out.pop(path[-1], None)


def _call_of(event: Mapping[str, Any], path_call: str) -> Any:
    """The call that an event is: by its `type`, else by the path that it came on."""
    return event.get("type", path_call)


def _number_fixes(top: Type) -> list[tuple[str, Fix]]:
    """What makes numbers of text in each of the details."""
    details = [field for field in top.fields if field.name.endswith("_details")]
    return [(field.name, fix) for field in details if (fix := fix_of(field.type)) is not None]


def _is_unplaced(top: Type, target: list[str], sources: Iterable[_Source]) -> bool:
    """Is it the anonymousId, which every browser sends, and has the schema no such field?"""
    if any(source.path != ["anonymousId"] for source in sources):
        return False
    inner = top
    for step in target:
        inner = inner.optional or inner
        if step not in (names := {field.name: field.type for field in inner.fields}):
            return True
        inner = names[step]
    return False
