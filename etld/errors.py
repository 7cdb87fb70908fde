"""Errors whose text is for the reader: what happened, to which thing, what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class EtldError(Exception):
    """Something went wrong that a person can understand from the message alone.

    `code` names its entry in the catalogue of `etld.explain`. A class has one of its own; EtldError itself is raised
    with the one of the case.
    """

    exit_code = 1
    code = ""

    def __init__(self, *args: object, code: str = "") -> None:
        super().__init__(*args)
        if code:
            self.code = code

    def with_code(self) -> str:
        """The text as a terminal shows it."""
        return coded(str(self), self.code)


class UsageError(EtldError):
    """The command was called the wrong way."""

    exit_code = 2
    code = "ETLD-X001"


class Unreachable(EtldError):
    """The daemon does not answer on its control socket."""

    exit_code = 3
    code = "ETLD-S001"


class PortTaken(EtldError):
    """Another program listens where a part of etld is to listen."""

    code = "ETLD-S003"


def coded(text: str, code: str) -> str:
    """A text with its code, if it has one, in parentheses at the end of its first line."""
    if not code:
        return text
    first, line_end, rest = text.partition("\n")
    colon = ":" * first.endswith(":")
    return f"{first.removesuffix(colon)} ({code}){colon}{line_end}{rest}"


#: Of a mistake in the configuration that has no other code.
WRONG_VALUE = "ETLD-C006"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: key path, line (0: unknown) and what was expected.

    `later`: only credentials are missing, which may come after everything else. `source`: its file, where that is
    another than the one of the `ConfigError`. `code`: as `EtldError` has it.
    """

    path: str
    line: int
    message: str
    later: bool = False
    source: str = ""
    code: str = WRONG_VALUE

    def __str__(self) -> str:
        if self.source:
            return self.told("")
        where = f"line {self.line}" if self.line else ""
        return ": ".join(part for part in (where, self.path, self.message) if part)

    def told(self, source: str) -> str:
        """`file:line: key.path: message`, with what of it is known; `source` is the file of one without its own."""
        file = self.source or source
        place = f"{file}:{self.line}" if self.line else file
        return ": ".join(part for part in (place, self.path, self.message) if part)

    def read_from(self, source: str) -> Problem:
        """This mistake as one of a file of its own."""
        return replace(self, source=self.source or source)

    def as_json(self) -> dict[str, object]:
        """For programs; `file` only where it has one of its own."""
        told: dict[str, object] = {"path": self.path, "line": self.line, "message": self.message}
        told["explain"] = self.code
        return {**told, "file": self.source} if self.source else told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Problem:
        """The inverse of `as_json`."""
        code = told.get("explain", WRONG_VALUE)
        return cls(told["path"], told["line"], told["message"], source=told.get("file", ""), code=code)


class ConfigError(EtldError):
    """The configuration has mistakes; all of them are in `problems`, and in the text one a line."""

    def __init__(self, problems: tuple[Problem, ...] | list[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(self.lines()), code=self.problems[0].code if self.problems else "")

    def lines(self) -> list[str]:
        """`file:line: key.path: message`, with what of it is known."""
        return [problem.told(self.source) if self.source else str(problem) for problem in self.problems]

    def with_code(self) -> str:
        """Each mistake with its own."""
        return "\n".join(coded(line, one.code) for line, one in zip(self.lines(), self.problems, strict=True))
