"""Errors whose text is for the reader: what happened, to which thing, what to do."""

from __future__ import annotations

from dataclasses import dataclass


class EtldError(Exception):
    """Something went wrong that a person can understand from the message alone."""

    exit_code = 1


class UsageError(EtldError):
    """The command was called the wrong way."""

    exit_code = 2


class Unreachable(EtldError):
    """The daemon does not answer on its control socket."""

    exit_code = 3


class PortTaken(EtldError):
    """Another program listens where a part of etld is to listen."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: key path, line (0: unknown) and what was expected.

    `later`: only credentials are missing, which may come after everything else.
    """

    path: str
    line: int
    message: str
    later: bool = False

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class ConfigError(EtldError):
    """The configuration has mistakes; all of them are in `problems`, and in the text one a line."""

    def __init__(self, problems: tuple[Problem, ...] | list[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """`file:line: key.path: message`, with what of it is known."""
        if not self.source:
            return [str(problem) for problem in self.problems]
        shown = []
        for problem in self.problems:
            place = f"{self.source}:{problem.line}" if problem.line else self.source
            shown.append(": ".join(part for part in (place, problem.path, problem.message) if part))
        return shown
