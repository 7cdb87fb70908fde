"""Texts as a chart can show them."""

from __future__ import annotations

import textwrap


def clipped(text: str, width: int) -> str:
    """At most `width` characters."""
    text = _drawable(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def wrapped(text: str, width: int, most: int) -> str:
    """At most `most` lines; names with underscores break there too."""
    pieces = textwrap.wrap(_drawable(text).replace("_", "_\u200b").replace("\u200b", " \u200b"), width=width + 2)
    joined = [piece.replace(" \u200b", "").replace("\u200b", "") for piece in pieces] or [""]
    if len(joined) > most:
        joined = joined[:most]
        joined[-1] = joined[-1][: width - 1].rstrip("_ ") + "…"
    return "\n".join(clipped(line, width + 2) for line in joined)


def percent(value: float, total: float) -> str:
    """The share of a total, in whole percent."""
    share = 100 * value / total if total else 0.0
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def _drawable(text: str) -> str:
    # A dollar sign would begin mathematics, a control character draws a box.
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")
