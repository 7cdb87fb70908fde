"""What checks of an event's values are made of: one closure a type, `check(value, errors) -> value for Avro`.

A check that finds a mistake appends a `Violation` and returns anything. Paths are relative to the
nearest array or map, which puts its own place in front. `etld.schemas.checks` puts them together for a schema.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from etld.events.limits import (
    EXACT_DOUBLE,
    EXACT_FLOAT,
    FLOAT_MAX,
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    INT64_MIN,
    storable_text,
)
from etld.events.violation import Violation, Violations, show

Check = Callable[[Any, Violations], Any]

STORABLE_TEXT = "a string without U+0000 and lone surrogates"
_NUMBER = "a finite number"


@dataclass(frozen=True, slots=True)
class CheckedField:
    """A field of an object: its check, and the value that it has when it is missing, if it is `optional`.

    `aliases` are names that it had earlier, and is read by when it is not there by its own.
    """

    name: str
    check: Check
    default: Any = None
    optional: bool = False
    aliases: tuple[str, ...] = ()


def record(path: str, fields: Sequence[CheckedField], *, drop_unknown: bool) -> Check:
    """A check of an object with these fields; one that it does not know is dropped, or a violation."""
    known = frozenset(field.name for field in fields)
    steps = [(field.name, field.check, field.default, field.optional) for field in fields]
    aliases = {alias: field.name for field in fields for alias in field.aliases}
    prefix = f"{path}." if path else ""
    missing = object()

    def check(value: Any, errors: Violations) -> Any:
        if type(value) is not dict:
            errors.append(Violation(path, "an object", show(value)))
            return None
        value = _by_new_names(value, aliases) if aliases else value
        out = {}
        seen = 0
        for name, inner, default, optional in steps:
            found = value.get(name, missing)
            if found is not missing:
                seen += 1
                out[name] = inner(found, errors)
            elif optional:
                out[name] = default
            else:
                errors.append(Violation(f"{prefix}{name}", "a value: the field is required", "nothing"))
        if seen != len(value) and not drop_unknown:
            for name in value:
                if errors.full:
                    break
                if name not in known:
                    expected = f"no field of this name{errors.budget.hint(name, known)}"
                    errors.append(Violation(f"{prefix}{name}", expected, show(value[name])))
        return out

    return check


def _by_new_names(value: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """An object with fields under the names that they have now; what is there by both names stays as it is."""
    made = dict(value)
    for alias, name in aliases.items():
        if alias in made and name not in made:
            made[name] = made.pop(alias)
    return made


def text(path: str) -> Check:
    """A check of a string that can be stored; an integer becomes its digits."""

    def check(value: Any, errors: Violations) -> Any:
        if type(value) is str:
            if ("\0" not in value and value.isascii()) or storable_text(value):
                return value
            errors.append(Violation(path, STORABLE_TEXT, show(value)))
        elif type(value) is int and INT64_MIN <= value <= INT64_MAX:
            return str(value)
        else:
            errors.append(Violation(path, "a string", show(value)))
        return None

    return check


def long(path: str) -> Check:
    """A check of a 64-bit integer."""
    return _integer(path, INT64_MIN, INT64_MAX, "an integer from -2^63 to 2^63-1")


def int_(path: str) -> Check:
    """A check of a 32-bit integer."""
    return _integer(path, INT32_MIN, INT32_MAX, "an integer from -2^31 to 2^31-1")


def double(path: str) -> Check:
    """A check of a number that a double holds exactly, if it is an integer."""
    return _number(path, EXACT_DOUBLE, math.inf)


def float_(path: str) -> Check:
    """The same of a float of 32 bits."""
    return _number(path, EXACT_FLOAT, FLOAT_MAX)


def boolean(path: str) -> Check:
    """A check of true or false."""
    return _one_of(path, (True, False), "true or false")


def null(path: str) -> Check:
    """A check of null."""
    return _one_of(path, (None,), "null")


def _integer(path: str, low: int, high: int, expected: str) -> Check:
    def check(value: Any, errors: Violations) -> Any:
        if type(value) is int and low <= value <= high:
            return value
        errors.append(Violation(path, expected, show(value)))
        return None

    return check


def _number(path: str, exact: int, limit: float) -> Check:
    def check(value: Any, errors: Violations) -> Any:
        if type(value) is float:
            if -limit <= value <= limit and value - value == 0.0:
                return value
        elif type(value) is int:
            # An integer is taken when the floating type holds exactly it.
            if -exact <= value <= exact:
                return float(value)
            errors.append(Violation(path, f"a number (as an integer at most {exact} away from 0)", show(value)))
            return None
        errors.append(Violation(path, _NUMBER, show(value)))
        return None

    return check


def _one_of(path: str, values: tuple[Any, ...], expected: str) -> Check:
    def check(value: Any, errors: Violations) -> Any:
        if not any(value is allowed for allowed in values):
            errors.append(Violation(path, expected, show(value)))
        return value

    return check


def enum(path: str, symbols: tuple[str, ...]) -> Check:
    """A check of one of these texts."""
    known = frozenset(symbols)
    listed = ", ".join(symbols[:8]) + (", …" if len(symbols) > 8 else "")

    def check(value: Any, errors: Violations) -> Any:
        if type(value) is not str or value not in known:
            hint = errors.budget.hint(value, symbols) if type(value) is str else ""
            errors.append(Violation(path, f"one of {listed}{hint}", show(value)))
        return value

    return check


def bytes_(path: str, size: int | None) -> Check:
    """A check of bytes as Avro's JSON has them: a character up to U+00FF each."""
    expected = "a string of characters up to U+00FF, one a byte" + ("" if size is None else f", {size} of them")

    def check(value: Any, errors: Violations) -> Any:
        try:
            raw = value.encode("latin-1")
        except (AttributeError, UnicodeEncodeError):
            raw = None
        if raw is None or (size is not None and len(raw) != size):
            errors.append(Violation(path, expected, show(value)))
        return raw

    return check


def parsed(path: str, expected: str, parse: Callable[[Any], Any]) -> Check:
    """A check by a parser that raises ValueError."""

    def check(value: Any, errors: Violations) -> Any:
        try:
            return parse(value)
        except ValueError:
            errors.append(Violation(path, expected, show(value)))
            return None

    return check


def decimal(path: str, precision: int, scale: int) -> Check:
    """A check of a number or its text, without rounding."""
    whole = precision - scale
    expected = f"a decimal with at most {whole} digits before and {scale} after the point"

    def parse(value: Any) -> Decimal:
        if type(value) not in (str, int, float) or (type(value) is str and len(value) > precision + 200):
            raise ValueError
        try:
            # A JSON number has come through a double: its shortest text is what the client wrote.
            number = Decimal(str(value))
        except InvalidOperation:
            raise ValueError from None
        # By digits and exponent: arithmetic would round, or overflow, by the context's precision.
        _sign, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError  # noqa: TRY004 - a value (NaN), not a type
        text = "".join(map(str, digits))
        trailing = len(text) - len(text.rstrip("0"))
        if number and (number.adjusted() >= whole or -(exponent + trailing) > scale):
            raise ValueError
        return number or Decimal(0)

    return parsed(path, expected, parse)


def array(path: str, inner: Check) -> Check:
    """A check of an array whose items all pass `inner`."""

    def check(value: Any, errors: Violations) -> Any:
        if type(value) is not list:
            errors.append(Violation(path, "an array", show(value)))
            return None
        return [_below(inner, item, errors, f"{path}[{i}]") for i, item in enumerate(value)]

    return check


def map_(path: str, inner: Check) -> Check:
    """A check of an object with any keys, whose values all pass `inner`."""
    key = text(path)

    def check(value: Any, errors: Violations) -> Any:
        if type(value) is not dict:
            errors.append(Violation(path, "an object", show(value)))
            return None
        return {key(name, errors): _below(inner, item, errors, f"{path}[{show(name)}]") for name, item in value.items()}

    return check


def _below(inner: Check, item: Any, errors: Violations, place: str) -> Any:
    if errors.full:
        return None
    found = Violations(errors.budget)
    result = inner(item, found)
    for one in found:
        joined = f"{place}{one.path}" if not one.path or one.path[0] == "[" else f"{place}.{one.path}"
        errors.append(Violation(joined, one.expected, one.got))
    return result
