"""Rules: parsed once from the config, then tried in order on each dead letter. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from etld.deadletters.rules import hook as hooks
from etld.deadletters.rules import steps
from etld.deadletters.rules.match import Match
from etld.deadletters.rules.pattern import PatternTimeout
from etld.deadletters.rules.steps.base import RuleError, show

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence

    from etld.deadletters.failure import Failure
    from etld.deadletters.rules.hook import GuardedHook
    from etld.deadletters.rules.steps.base import CorrectionStep
    from etld.schemas.shape import Shape


_KEYS = ("name", "match", "steps", "hook")


class EventTypes(Protocol):
    """What the rules need to know of the event types."""

    def shape(self, event_type: Any) -> Shape | None:
        """The shape of an event type, None when there is no such type."""
        ...

    def problems(self, event: dict[str, Any]) -> tuple[str, ...]:
        """Why an event is not valid for its type; nothing when it is."""
        ...

    def stored(self, event: dict[str, Any]) -> Hashable:
        """What is stored of a valid event: equal for two spellings of one event, such as Z and +00:00 in a time."""
        ...


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """A rule of the config, ready to be applied."""

    name: str
    match: Match
    steps: tuple[CorrectionStep, ...]
    hook: GuardedHook | None = None

    def apply(self, event: dict[str, Any], failure: Failure, types: EventTypes) -> dict[str, Any] | None:
        """What the rule makes of an event, which itself stays as it is; None when its hook gives up.

        Raises whatever the hook raises, and ValueError when it returns no event.
        """
        changed: dict[str, Any] = copied(event)
        for step in self.steps:
            step.apply(changed, types.shape(changed.get("event_type")))
        if self.hook is None:
            return changed
        made: Any = self.hook(changed, failure)
        if made is not None and not isinstance(made, dict):
            raise ValueError(f"the hook returned {show(made)}, expected an event or None")
        return made


@dataclass(frozen=True, slots=True)
class Tried:
    """One rule's try: what it made of the event, and why that is not valid (nothing: it is).

    `rests`: its hook is left alone for so many seconds, so it was not tried at all.
    """

    rule: str
    event: dict[str, Any] | None
    problems: tuple[str, ...]
    rests: float | None = None

    @property
    def good(self) -> bool:
        """Is the result an event that its type's schema accepts?"""
        return self.event is not None and not self.problems


def try_rule(rule: CorrectionRule, event: dict[str, Any], failure: Failure, types: EventTypes) -> Tried:
    """Apply one rule and validate what comes of it; an error of a hook is the problem, not an exception."""
    try:
        made = rule.apply(event, failure, types)
    except PatternTimeout as error:
        return Tried(rule.name, None, (str(error),))
    except MemoryError:
        raise  # whose fault that is shows in a process of its own
    except hooks.HookRests as error:
        return Tried(rule.name, None, (str(error),), error.seconds)
    except Exception as error:
        return Tried(rule.name, None, (f"{type(error).__name__}: {error}",))
    if made is None:
        return Tried(rule.name, None, ("the hook has no repair",))
    if made.get("event_id") != event.get("event_id"):
        return Tried(rule.name, made, ("the rule changed event_id, which no rule may",))
    return Tried(rule.name, made, types.problems(made))


def try_matching(rule: CorrectionRule, event: dict[str, Any], failure: Failure, types: EventTypes) -> Tried | None:
    """The same, when the rule is for this event; None when it is not."""
    try:
        if not rule.match.matches(event, failure):
            return None
    except PatternTimeout as error:
        return Tried(rule.name, None, (str(error),))
    return try_rule(rule, event, failure, types)


def correct(
    rules: Iterable[CorrectionRule],
    event: dict[str, Any],
    failure: Failure,
    types: EventTypes,
    *,
    known: Collection[dict[str, Any]] = (),
) -> list[Tried]:
    """Try the rules that match, in order, up to the first whose result is valid: that one is the last.

    So is one whose hook rests: what it would have made of the event, nobody knows. A result of which the same is
    stored as of one in `known` is no repair: that was sent before and failed.
    """
    failed = _StoredForms(known, types)
    tried = []
    for rule in rules:
        attempt = try_matching(rule, event, failure, types)
        if attempt is None:
            continue
        if attempt.good and attempt.event in failed:
            attempt = Tried(rule.name, attempt.event, ("its result is what failed already",))
        tried.append(attempt)
        if attempt.good or attempt.rests:
            break
    return tried


class _StoredForms:
    """Events as they are stored, to find others among them; nothing is encoded before the first is looked for."""

    def __init__(self, events: Collection[dict[str, Any]], types: EventTypes) -> None:
        self._events = events
        self._types = types
        self._forms: set[Hashable] | None = None

    def __contains__(self, valid: Any) -> bool:
        if self._forms is None:
            self._forms = {self._types.stored(one) for one in self._events if not self._types.problems(one)}
        return bool(self._forms) and self._types.stored(valid) in self._forms


def copied(value: Any) -> Any:
    """A JSON value that shares nothing with the first; for events, of which there may be millions."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def exactly(event: Any) -> str:
    """An event as a text that only the same event has: in Python 7.0 equals 7, and True equals 1."""
    return json.dumps(event, sort_keys=True, default=str)


def compile_rules(rules: Sequence[Any]) -> tuple[CorrectionRule, ...]:
    """The rules of a checked config, their hooks imported; raises `RuleError`."""
    compiled = []
    for index, rule in enumerate(rules):
        try:
            parsed = _parse(rule)
            name = _get(rule, "hook")
            compiled.append(CorrectionRule(*parsed, hooks.load(name) if name else None))
        except RuleError as error:
            raise error.below(index) from None
    return tuple(compiled)


def check(rules: Sequence[Any], prefix: str = "corrector.rules") -> list[tuple[str, str]]:
    """Every mistake of the rules as (key path, message), such as ("corrector.rules[2].steps[0].cast", …).

    Pure: hooks are looked up, not imported. A rule is anything with name, match, steps and hook.
    """
    problems: list[tuple[str, str]] = []
    names: set[str] = set()
    for index, rule in enumerate(rules):
        where = f"{prefix}[{index}]"
        name = _get(rule, "name")
        if name in names:
            problems.append((f"{where}.name", f"two rules are called {name!r}"))
        names.add(str(name))
        problems.extend((where + "".join(map(_key, error.path)), error.message) for error in _errors(rule))
    return problems


def _errors(rule: Any) -> Iterator[RuleError]:
    unknown = [key for key in rule if key not in _KEYS] if isinstance(rule, dict) else []
    for key in unknown:
        yield RuleError(f"unknown key {key!r}; a rule has name, match, steps and hook", key)
    name, given = _get(rule, "name"), _get(rule, "steps") or ()
    if not isinstance(name, str) or not name:
        yield RuleError("a rule needs a name", "name")
    if not given and not _get(rule, "hook"):
        yield RuleError("a rule needs steps or a hook", "steps")
    if isinstance(given, list | tuple):
        for index, step in enumerate(given):
            yield from _error_of(steps.parse, step, "steps", index)
    else:
        yield RuleError(f"expected a list of steps, got {show(given)}", "steps")
    for key, parse in (("match", Match.parse), ("hook", hooks.check)):
        if value := _get(rule, key):
            yield from _error_of(parse, value, key)


def _error_of(parse: Callable[[Any], object], value: Any, *path: str | int) -> Iterator[RuleError]:
    try:
        parse(value)
    except RuleError as error:
        yield error.below(*path)


def _parse(rule: Any) -> tuple[str, Match, tuple[CorrectionStep, ...]]:
    return (
        _get(rule, "name"),
        Match.parse(_get(rule, "match") or {}),
        tuple(steps.parse(step) for step in _get(rule, "steps") or ()),
    )


def _get(rule: Any, key: str) -> Any:
    return rule.get(key) if isinstance(rule, dict) else getattr(rule, key, None)


def _key(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if "." not in part else f'."{part}"'
