"""lower: letters to lower case."""

from __future__ import annotations

from etld.deadletters.rules.steps.base import TextStep


class Lower(TextStep):
    """Writes a text in lower case."""

    __slots__ = ()

    def change(self, text: str) -> str:
        """See `TextStep.change`."""
        return text.lower()
