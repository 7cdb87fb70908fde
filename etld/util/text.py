"""Texts for one line of a log or a terminal."""

from __future__ import annotations


def one_line(text: object) -> str:
    """The text (of an error, say) with every run of white space as one blank."""
    return " ".join(str(text).split())


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters with an ellipsis at its end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
