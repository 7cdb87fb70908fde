"""What every step has in common: how it reads its options, and how it is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.fields import Fields
from etld.deadletters.rules.pattern import Pattern
from etld.util.suggest import nearest
from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from etld.schemas.shape import Shape


# So much alike are a name and its misspelling; "event" or "event_time" is a name of its own.
_MISSPELT = 0.85
# An option, step or stage may be more misspelt.
_ALIKE = 0.6
_SHOWN = 60


class RuleError(ValueError):
    """An option of a rule is wrong. `path` leads to it from the rule, in key names."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def below(self, *path: str | int) -> RuleError:
        """The same mistake, seen from further up."""
        return RuleError(self.message, *path, *self.path)


class CorrectionStep(Protocol):
    """One change to an event. The first line of the class's docstring is its line in the docs."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """A step from its value in the TOML; raises `RuleError`."""
        ...

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Change `event` in place. `shape` is None while the event's type is not known.

        What a step has nothing to do with stays as it is: whether the result is valid is
        decided once, when all steps of the rule are through.
        """
        ...


def guess(word: str, known: Iterable[str]) -> str:
    """A "did you mean" for a word that is not known, or nothing."""
    near = nearest(word, known, _ALIKE)
    return f"; did you mean {near!r}?" if near is not None else ""


def options(
    value: Any,
    required: Mapping[str, Callable[[Any], Any]],
    optional: Mapping[str, Callable[[Any], Any]] | None = None,
) -> dict[str, Any]:
    """The options of a step, each read by its reader; raises `RuleError` at the first that is wrong."""
    optional = optional or {}
    if not isinstance(value, dict):
        wanted = ", ".join(f"{name} = …" for name in required)
        raise RuleError(f"expected a table such as {{ {wanted} }}, got {show(value)}")
    readers = {**required, **optional}
    for name in value:
        if name not in readers:
            raise RuleError(f"unknown option {name!r}{guess(name, readers)}", name)
    for name in required:
        if name not in value:
            raise RuleError(f"the option {name!r} is missing")
    read = {}
    for name, given in value.items():
        try:
            read[name] = readers[name](given)
        except RuleError as error:
            raise error.below(name) from None
    return read


def show(value: Any) -> str:
    """A value as a message shows it, cut to a readable length."""
    return shortened(repr(value), _SHOWN)


def text(value: Any) -> str:
    """Reads a text."""
    if not isinstance(value, str):
        raise RuleError(f"expected a text, got {show(value)}")
    return value


def number(value: Any) -> int | float:
    """Reads a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"expected a number, got {show(value)}")
    return value


def flag(value: Any) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise RuleError(f"expected true or false, got {show(value)}")
    return value


def json_value(value: Any) -> Any:
    """Reads anything that JSON can say."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    # TOML knows dates; an event has them as text.
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise RuleError(f"expected a value that JSON can say, got {show(value)}")


def pattern(value: Any) -> Pattern:
    """Reads a regular expression."""
    try:
        return Pattern(text(value))
    except RuleError:
        raise
    except ValueError as error:
        raise RuleError(f"{value!r} is not a regular expression: {error}") from None


def any_path(value: Any) -> paths.Path:
    """Reads a path that may be "", the event itself."""
    try:
        return paths.parse(text(value))
    except ValueError as error:
        raise RuleError(str(error)) from None


def path(value: Any) -> paths.Path:
    """Reads the path of one field that a step may change, in an event whose parts have their right names."""
    return _rightly_named(source(value))


def place(value: Any) -> paths.Path:
    """Reads a path to put something at, which may be "", the event itself."""
    return _rightly_named(any_path(value))


def _rightly_named(parsed: paths.Path) -> paths.Path:
    """Not "event_detials.price": every event has the same six parts, and such a step would never find anything."""
    if parsed and parsed[0] not in paths.TOP_LEVEL:
        near = nearest(parsed[0], paths.TOP_LEVEL, _MISSPELT)
        if near is not None:
            raise RuleError(f"an event has no {parsed[0]!r}; did you mean {paths.text((near, *parsed[1:]))!r}?")
    return parsed


def source(value: Any) -> paths.Path:
    """Reads the path of one field that a step takes away or takes from: it may well be misspelt."""
    parsed = any_path(value)
    if not parsed:
        raise RuleError("expected a field path such as 'event_details.price', got ''")
    if "*" in parsed:
        raise RuleError(f"expected one field, got {value!r}")
    if parsed == ("event_id",):
        raise RuleError("event_id is the event's identity: a rule may not change it")
    return parsed


def one_or_more(value: Any) -> list[Any]:
    """Reads a value or a list of them."""
    if isinstance(value, list | tuple):
        if not value:
            raise RuleError("expected at least one field, got an empty list")
        return list(value)
    return [value]


def path_list(value: Any) -> tuple[paths.Path, ...]:
    """Reads one field path or a list of them."""
    return tuple(path(item) for item in one_or_more(value))


def source_list(value: Any) -> tuple[paths.Path, ...]:
    """Reads one field path or a list of them, as `source` does."""
    return tuple(source(item) for item in one_or_more(value))


def fields(value: Any) -> Fields:
    """Reads a choice of fields: a path, a list of paths, "*" or "event_details.*"."""
    chosen = []
    for item in one_or_more(value):
        parsed = any_path(item)
        if parsed and parsed[-1] == "*" and "*" not in parsed[:-1]:
            chosen.append(_rightly_named(parsed))
        else:
            chosen.append(path(item))
    return Fields(tuple(chosen))


@dataclass(frozen=True, slots=True)
class TextStep:
    """A step that makes another text of each text it is told; other values stay."""

    fields: Fields

    @classmethod
    def parse(cls, value: Any) -> Self:
        """A path, a list of paths, or "*"."""
        return cls(fields(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Change what is text."""
        for ref in self.fields.refs(event, shape):
            if isinstance(ref.value, str):
                ref.value = self.change(ref.value)

    def change(self, text: str) -> str:
        """What becomes of one text."""
        raise NotImplementedError
