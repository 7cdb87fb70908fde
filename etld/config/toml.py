"""TOML, and its mistakes in words that say which line and what was left open."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from etld.util.text import escaped, shortened

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SKIP = re.compile(r"[^\[\]{}\"'#\n]+|#[^\n]*")
_WHOLE_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?!"")(?:[^"\\\n]|\\.)*"'
    r"|'(?!'')[^'\n]*'"
)
_LONGEST = 60
#: From the beginning of tomllib's message to what a person is told; {} is the line's own text.
_WORDS = (
    ("Expected '=' after a key", "expected = after the key in `{}`"),
    ("Invalid initial character for a key part", "expected a key of letters, digits, - and _ in `{}`"),
    ("Invalid statement", "expected a key, a [table] or a # comment, got `{}`"),
    ("Invalid value", "expected a value after the = of `{}`: text in quotes, a number, true, false, a list or a table"),
    ("Invalid date or datetime", "this date or time does not exist: `{}`"),
    ("Expected newline or end of document", "nothing may follow a value on its line: `{}`"),
    ("Cannot overwrite a value", "this key stands in the file already: `{}`"),
    ("Duplicate inline table key", "a key stands twice in the table of `{}`"),
    ("Cannot declare", "this table stands in the file already: `{}`"),
    ("Cannot mutate immutable namespace", "nothing can be added to a table in braces or a list: `{}`"),
    ("Cannot redefine namespace", "this table stands in the file already: `{}`"),
    ("Cannot append to immutable namespace", "nothing can be added to a table in braces or a list: `{}`"),
    ("Unescaped '\\' in a string", r"a \ inside double quotes is written \\, or the text in single quotes: `{}`"),
    ("Invalid hex value", r"a \ inside double quotes is written \\, or the text in single quotes: `{}`"),
    ("Escaped character is not a Unicode scalar value", "this escape is no character: `{}`"),
    ("Illegal character", "a control character stands in `{}`"),
    ("Found invalid character", "a control character stands in `{}`"),
)
#: Mistakes that are found inside of what is open, and are none of its end.
_WHATEVER_IS_OPEN = ("Cannot", "Duplicate", "Unescaped", "Invalid hex", "Escaped character", "Found invalid")


class TomlMistake(ValueError):
    """Text that is no TOML: the line (from 1; 0: not known) and what is wrong there, in words."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
        self.message = message


def loads(text: str) -> dict[str, Any]:
    """The tables of a text; raises `TomlMistake`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _mistake(text.replace("\r\n", "\n"), str(error)) from error
    except RecursionError as error:
        raise TomlMistake(0, "nested too deeply") from error


def _mistake(text: str, told: str) -> TomlMistake:
    rows = text.split("\n")
    place = _PLACE.search(told)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (len(rows), len(rows[-1]) + 1)
    # Where a line ends too early, tomllib may tell of the place behind its end.
    at = sum(len(row) + 1 for row in rows[: line - 1]) + column - 1
    plain = _PLACE.sub("", told)
    message = None if plain.startswith(_WHATEVER_IS_OPEN) else _left_open(text, at)
    if message is None:
        shown = shortened(escaped(rows[line - 1].strip()), _LONGEST)
        words = next((words for begin, words in _WORDS if plain.startswith(begin)), f"{plain}: `{{}}`")
        message = words.replace("{}", shown)
    return TomlMistake(line, message)


def _left_open(text: str, end: int) -> str | None:
    """What is open at a place of the text, by the last thing that was opened; None when nothing is."""
    opened: list[tuple[str, int]] = []
    at, line, fresh = 0, 1, True  # fresh: nothing stands on this line yet
    while at < end:
        here = text[at]
        if here in "\"'":
            whole = _WHOLE_STRING.match(text, at)
            if whole is None or whole.end() > end + 1:
                return _open_string(text, at, line) if whole is None else None
            line += whole[0].count("\n")
            at, fresh = whole.end(), False
            continue
        if here == "\n":
            if opened and opened[-1][0] == "table":
                break
            line, fresh = line + 1, True
        elif here in "[{":
            header = here == "[" and (fresh or text[at - 1] == "[") and all(kind == "table" for kind, _ in opened)
            opened.append(("table" if header else here, line))
            fresh = False
        elif here in "]}" and opened:
            opened.pop()
        skipped = _SKIP.match(text, at)
        fresh = fresh and (here == "\n" or (skipped is not None and not skipped[0].strip()))
        at = skipped.end() if skipped else at + 1
    return _open_bracket(*opened[-1]) if opened else None


def _open_string(text: str, at: int, line: int) -> str:
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    shown = shortened(escaped(text[at:].split("\n", maxsplit=1)[0]), _LONGEST)
    where = f"the text that begins on line {line} with {shown}"
    return f"{where} is not closed: expected {quote}{'' if len(quote) == 3 else ' before the end of the line'}"


def _open_bracket(kind: str, line: int) -> str:
    if kind == "table":
        return f"the name of the table on line {line} is not closed: expected ]"
    if kind == "[":
        return f"the list that [ opens on line {line} is not closed: expected , or ]"
    return f"the table that {{ opens on line {line} is not closed: expected , or }} before the end of the line"
