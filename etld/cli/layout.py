"""How much fits on a line of the terminal, and what becomes of the rest."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

# On a narrower terminal lines are as if it had so many columns.
_NARROWEST = 40


def room() -> int | None:
    """How many columns a line may have: those of the terminal, or $COLUMNS for any other reader; None: no limit."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(_NARROWEST, shutil.get_terminal_size().columns)
    return None


def wrapped(head: str, text: str, indent: int | None = None) -> str:
    """`head` and `text`, wrapped at the room there is, with the rest below the beginning; without a limit one line."""
    most = room()
    if most is None:
        return head + text
    below = " " * (len(head) if indent is None else indent)
    return textwrap.fill(text, most, initial_indent=head, subsequent_indent=below, break_on_hyphens=False)
