"""trim: white space around text."""

from __future__ import annotations

from etld.deadletters.rules.steps.base import TextStep


class Trim(TextStep):
    """Takes white space off both ends of a text."""

    __slots__ = ()

    def change(self, text: str) -> str:
        """See `TextStep.change`."""
        return text.strip()
