"""The regular expressions of rules, with a limit of time: some never end on some texts."""

from __future__ import annotations

from typing import Any

# Seconds for one text. An honest expression needs a thousandth of it for the largest event.
LIMIT = 0.5


class PatternTimeout(Exception):
    """A regular expression that does not come to an end on a text."""


class Pattern:
    """A regular expression of the user's; raises ValueError when it is none.

    The standard library's engine cannot be stopped, and holds every other thread of the process up meanwhile.
    """

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str) -> None:
        # Only here: whoever reads a configuration without expressions does not wait for the import.
        import regex

        self.text = text
        try:
            self._compiled = regex.compile(text)
        except regex.error as error:
            raise ValueError(str(error)) from None

    def found_in(self, text: str) -> bool:
        """Is there a match anywhere in a text? Raises `PatternTimeout`."""
        return self._timed(self._compiled.search, text) is not None

    def replaced(self, template: str, text: str) -> str:
        """A text with each match replaced; raises `PatternTimeout`."""
        made: str = self._timed(self._compiled.sub, template, text)
        return made

    def check_template(self, template: str) -> None:
        """Raise ValueError when a template names a group that is not there."""
        import regex

        try:
            regex.compile(self.text + "|").sub(template, "")
        except (regex.error, IndexError) as error:
            raise ValueError(str(error)) from None

    def _timed(self, function: Any, *arguments: str) -> Any:
        try:
            return function(*arguments, timeout=LIMIT, concurrent=True)
        except TimeoutError:
            raise PatternTimeout(
                f"the regular expression {self.text!r} did not come to an end within {LIMIT:g} s"
            ) from None
