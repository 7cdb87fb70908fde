"""What somebody may have meant by a name that is not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A hint for a word of any length would be work that a stranger can order.
_LONGEST = 64


def nearest(word: str, known: Iterable[str], likeness: float = 0.7) -> str | None:
    """The known name that is most like `word`, whatever the case, underscores and hyphens; None when none is.

    `likeness` is the least ratio of difflib's SequenceMatcher, 0 to 1.
    """
    if len(word) > _LONGEST:
        return None
    folded = {_folded(name): name for name in known}
    near = difflib.get_close_matches(_folded(word), folded, 1, likeness)
    return folded[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.7) -> str:
    """`; did you mean "price"?` when a known name is near, else nothing."""
    near = nearest(word, known, likeness)
    return f'; did you mean "{near}"?' if near is not None else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
