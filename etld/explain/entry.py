"""What is said of one kind of error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: Where a word is met: `code` of an HTTP answer or of the control socket, a fault in `etld health`, the subject of an
#: alert, the error class or stage of a dead letter, why a partition is halted, the status of an answer of the console.
WordKind = Literal["http", "control", "fault", "alert", "letter", "halt", "console"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of error. The texts are plain, with `code` in backticks.

    `words` are the names that the same thing has elsewhere, by where they are met.
    """

    code: str
    title: str
    meaning: str
    remedy: str
    words: Mapping[WordKind, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        told = {"code": self.code, "title": self.title, "meaning": self.meaning, "remedy": self.remedy}
        return {**told, "words": {kind: list(words) for kind, words in self.words.items()}}


class Area:
    """The entries that share a letter, in the order of their numbers."""

    def __init__(self, letter: str, title: str, *entries: Entry) -> None:
        self.letter = letter
        self.title = title
        self.entries = entries
