"""Which dead letters a rule is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, get_args

from etld.deadletters.letter_headers import Stage
from etld.deadletters.rules import paths
from etld.deadletters.rules.steps.base import (
    RuleError,
    any_path,
    flag,
    guess,
    json_value,
    number,
    options,
    pattern,
    show,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.deadletters.failure import Failure
    from etld.deadletters.rules.pattern import Pattern

    Test = Callable[[Any], bool]

_SQLSTATE = re.compile(r"[0-9A-Z]{2}([0-9A-Z]{3})?")

# etld's own; Kafka Connect's, whose letters the queue may hold too; and that of a letter which names none.
STAGES: Final = (
    *get_args(Stage),
    *("KEY_CONVERTER", "HEADER_CONVERTER", "TRANSFORMATION", "TASK_POLL", "KAFKA_PRODUCE", "KAFKA_CONSUME"),
    "UNKNOWN",
)
TYPES: Final[Mapping[str, Test]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
    "missing": lambda value: value is paths.MISSING,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of one field: every test."""

    path: paths.Path
    tests: tuple[Test, ...]

    def holds(self, event: Any) -> bool:
        """Does it hold of this event?"""
        value = paths.get(event, self.path)
        return all(test(value) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Match:
    """A rule's `match` table; what it does not name matches anything."""

    event_type: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    error_class: tuple[str, ...] = ()
    sqlstate: tuple[str, ...] = ()
    message: Pattern | None = None
    where: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Match:
        """A match from its table in the TOML; raises `RuleError`."""
        read = options(
            value,
            {},
            {
                "event_type": _texts,
                "stage": _stages,
                "error_class": _texts,
                "sqlstate": _sqlstates,
                "message": pattern,
                "where": _where,
            },
        )
        return cls(**read)

    def matches(self, event: Any, failure: Failure) -> bool:
        """Is the rule for an event that failed so? Raises `PatternTimeout` when one of its expressions does not say."""
        return (
            (not self.event_type or failure.event_type in self.event_type)
            and (not self.stage or failure.stage.upper() in (stage.upper() for stage in self.stage))
            and (not self.error_class or any(fnmatchcase(failure.error_class, like) for like in self.error_class))
            and (not self.sqlstate or (failure.sqlstate or "").startswith(self.sqlstate))
            and (self.message is None or self.message.found_in(failure.message))
            and all(condition.holds(event) for condition in self.where)
        )


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        if not value:
            raise RuleError("expected a text or a list of texts, got an empty list")
        return tuple(text(item) for item in value)
    return (text(value),)


def _stages(value: Any) -> tuple[str, ...]:
    stages = _texts(value)
    for stage in stages:
        if stage.upper() not in STAGES:
            near = guess(stage.upper(), STAGES) or f"; the stages are {', '.join(get_args(Stage))}"
            raise RuleError(f"unknown stage {stage!r}{near}")
    return stages


def _sqlstates(value: Any) -> tuple[str, ...]:
    states = _texts(value)
    for state in states:
        if not _SQLSTATE.fullmatch(state):
            raise RuleError(f"expected a SQLSTATE such as '23514', or its class '23', got {state!r}")
    return states


def _where(value: Any) -> tuple[Condition, ...]:
    if not isinstance(value, dict):
        raise RuleError(f'expected a table such as {{ "event_details.carrier" = "UPS" }}, got {show(value)}')
    conditions = []
    for name, wanted in value.items():
        try:
            conditions.append(Condition(any_path(name), _tests(wanted)))
        except RuleError as error:
            raise error.below(name) from None
    return tuple(conditions)


def _tests(wanted: Any) -> tuple[Test, ...]:
    if not isinstance(wanted, dict):
        return (_equals(wanted),)
    if not wanted:
        raise RuleError(f"expected a value, or a table of {', '.join(TESTS)}")
    tests = []
    for name, argument in wanted.items():
        if name not in TESTS:
            raise RuleError(f"unknown test {name!r}{guess(name, TESTS) or '; the tests are ' + ', '.join(TESTS)}", name)
        try:
            tests.append(TESTS[name](argument))
        except RuleError as error:
            raise error.below(name) from None
    return tuple(tests)


def _equals(wanted: Any) -> Test:
    expected = json_value(wanted)
    # 1 == True in Python, and an event that says true does not say 1.
    return lambda value: value == expected and isinstance(value, bool) == isinstance(expected, bool)


def _one_of(wanted: Any) -> Test:
    if not isinstance(wanted, list | tuple):
        raise RuleError(f"expected a list of values, got {show(wanted)}")
    tests = [_equals(item) for item in wanted]
    return lambda value: any(test(value) for test in tests)


def _exists(wanted: Any) -> Test:
    expected = flag(wanted)
    return lambda value: (value is not paths.MISSING) == expected


def _matches(wanted: Any) -> Test:
    like = pattern(wanted)
    return lambda value: isinstance(value, str) and like.found_in(value)


def _type(wanted: Any) -> Test:
    if text(wanted) not in TYPES:
        raise RuleError(f"expected one of {', '.join(TYPES)}, got {wanted!r}{guess(wanted, TYPES)}")
    return TYPES[wanted]


def _below(wanted: Any) -> Test:
    limit = number(wanted)
    return lambda value: TYPES["number"](value) and value < limit


def _above(wanted: Any) -> Test:
    limit = number(wanted)
    return lambda value: TYPES["number"](value) and value > limit


TESTS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "equals": _equals,
    "in": _one_of,
    "exists": _exists,
    "matches": _matches,
    "type": _type,
    "below": _below,
    "above": _above,
}
