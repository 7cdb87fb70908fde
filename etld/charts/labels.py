"""Texts as a chart can show them."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def clipped(text: str, width: int) -> str:
    """At most `width` characters."""
    text = _printable(text)
    return _plain(text if len(text) <= width else text[: width - 1].rstrip() + "…")


def wrapped(text: str, width: int, most: int) -> str:
    """At most `most` lines; names with underscores break there too."""
    pieces = textwrap.wrap(_printable(text).replace("_", "_\u200b").replace("\u200b", " \u200b"), width=width + 2)
    joined = [piece.replace(" \u200b", "").replace("\u200b", "") for piece in pieces] or [""]
    if len(joined) > most:
        joined = joined[:most]
        joined[-1] = joined[-1][: width - 1].rstrip("_ ") + "…"
    return "\n".join(clipped(line, width + 2) for line in joined)


def distinct(texts: Sequence[str], form: Callable[[str], str], room: int) -> list[str]:
    """Texts in a form that cuts what is longer than `room` characters: what differs still does after it.

    Where it would not, the middle is cut out instead, or what the texts have in common.
    """
    shown = {text: form(text) for text in texts}
    for same in _alike(shown):
        others = {shown[text] for text in shown.keys() - set(same)}
        for cut in _shortened(same, room):
            made = [form(text) for text in cut]
            if len(set(made)) == len(made) and others.isdisjoint(made):
                shown.update(zip(same, made, strict=True))
                break
    return [shown[text] for text in texts]


def percent(value: float, total: float) -> str:
    """The share of a total, in whole percent."""
    share = 100 * value / total if total else 0.0
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def _alike(shown: dict[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for text, form in shown.items():
        groups[form].append(text)
    return [texts for texts in groups.values() if len(texts) > 1]


def _shortened(texts: Sequence[str], room: int) -> Iterator[list[str]]:
    """Ways to shorten texts that begin alike, the most legible first."""
    first, last = min(texts), max(texts)
    common = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    for size in (room, room * 3 // 4, room // 2):
        for tail in (size // 2, size * 2 // 3):
            head = max(1, size - tail - 1)
            yield [text if len(text) <= size else f"{text[:head].rstrip()}…{text[-tail:].lstrip()}" for text in texts]
        head = max(1, size // 3)
        yield [f"{text[:head].rstrip()}…{text[common : common + size - head - 1]}" for text in texts]
    for head in (room // 2, 1):
        yield [f"{text[:head].rstrip()}… ({number})" for number, text in enumerate(texts, 1)]


def _printable(text: str) -> str:
    # A control character draws a box.
    return "".join(c if c.isprintable() else " " for c in text)


def _plain(text: str) -> str:
    # A dollar sign would begin mathematics.
    return text.replace("$", r"\$")
