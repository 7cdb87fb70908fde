"""Texts for one line of a log or a terminal."""

from __future__ import annotations


def one_line(text: object) -> str:
    """The text (of an error, say) with every run of white space as one blank."""
    return " ".join(str(text).split())


def escaped(text: str) -> str:
    """The text, with what a terminal would obey, or a table refuse, as Python writes it in a literal."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable(text: object, most: int) -> str:
    """What a stranger sent, for one line: at most `most` characters, `escaped`."""
    return shortened(escaped(one_line(shortened(str(text), 10 * most))), most)


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters with an ellipsis at its end."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def cut_head(text: str, most: int) -> str:
    """The text, cut to `most` characters with an ellipsis at its beginning: of a name, the end tells more."""
    return text if len(text) <= most else f"…{text[len(text) - most + 1 :]}"


def thousands(number: float, digits: int = 0) -> str:
    """A number for people, with so many digits after the point: 12,345.6."""
    return f"{number:,.{digits}f}" if digits else f"{number:,}"


def span(seconds: float) -> str:
    """A time that has passed, in two units at most."""
    s = int(seconds)
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m{s % 60:02d}s"
    if s < 86400:
        return f"{s // 3600}h{s % 3600 // 60:02d}m"
    return f"{s // 86400}d{s % 86400 // 3600:02d}h"
