"""upper: letters to upper case."""

from __future__ import annotations

from etld.deadletters.rules.steps.base import TextStep


class Upper(TextStep):
    """Writes a text in upper case."""

    __slots__ = ()

    def change(self, text: str) -> str:
        """See `TextStep.change`."""
        return text.upper()
