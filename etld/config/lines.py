"""Which line of a TOML file a key stands on; tomllib does not tell.

A scanner for text that tomllib has accepted: it only has to find keys, not mistakes.
https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.config.key_path import KeyPath

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
# A multi-line string may end in up to five quotes: two of them are still text.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)


def index(text: str) -> dict[KeyPath, int]:
    """Path of every table, key and list element to its line, from 1; elements by number, from 0."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


def find(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of a path, or of the nearest thing around it; 0 when nothing is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._elements: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Every table and every pair."""
        prefix: KeyPath = ()
        self._take(_VOID)
        while self._at < len(self._text):
            before = self._at
            prefix = self._header() if self._sees("[") else prefix
            if self._at == before:
                self._pair(prefix)
            self._take(_VOID)
            if self._at == before:  # only in text that is no TOML
                return

    def _header(self) -> KeyPath:
        line = self._line()
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path = self._below_elements(self._keys(), line)
        self._at += 2 if many else 1
        if many:
            number = self._elements.get(path, 0)
            self._elements[path] = number + 1
            path = (*path, number)
            self._note(path, line)
        return path

    def _below_elements(self, keys: KeyPath, line: int) -> KeyPath:
        """[a.b] makes a, too; after [[a]] it is a table of a's last element."""
        path: KeyPath = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            self._note(path, line)
            if number < len(keys) and path in self._elements:
                path = (*path, self._elements[path] - 1)
        return path

    def _pair(self, prefix: KeyPath) -> None:
        line = self._line()
        keys = self._keys()
        for count in range(1, len(keys) + 1):
            self._note((*prefix, *keys[:count]), line)
        self._at += 1  # the equals sign
        self._take(_BLANK)
        self._value((*prefix, *keys))

    def _value(self, path: KeyPath) -> None:
        if self._sees("[{"):
            many = self._sees("[")
            self._at += 1
            self._take(_VOID)
            number = 0
            while self._at < len(self._text) and not self._sees("]}"):
                if many:
                    self._note((*path, number), self._line())
                    self._value((*path, number))
                    number += 1
                else:
                    self._pair(path)
                self._take(_VOID)
                if self._sees(","):
                    self._at += 1
                    self._take(_VOID)
            self._at += 1
        elif not self._take(_STRING):
            self._take(_SCALAR)

    def _keys(self) -> KeyPath:
        keys: list[str] = []
        while True:
            self._take(_BLANK)
            bare = self._take(_BARE)
            keys.append(bare or _unquoted(self._take(_STRING)))
            self._take(_BLANK)
            if not self._sees("."):
                return tuple(keys)
            self._at += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _sees(self, characters: str) -> bool:
        return self._text[self._at : self._at + 1] in tuple(characters)

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1

    def _note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)


def _unquoted(key: str) -> str:
    try:
        return str(tomllib.loads(f"v = {key}")["v"]) if key else ""
    except tomllib.TOMLDecodeError:
        return key
