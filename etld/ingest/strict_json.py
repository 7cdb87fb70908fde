"""JSON strictly as RFC 8259 has it, at orjson's speed.

orjson refuses NaN, invalid UTF-8, trailing commas and lone surrogates by itself. What it lets pass is found
afterwards: a key that comes twice, because then the text has more strings than the value; and depth.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
# What tells where a value ends: whole strings, brackets, commas and colons; a lone quote begins a string without end.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},:"]', re.DOTALL)
_CLOSES = {b"{": b"}", b"[": b"]"}
_INT64_MIN, _INT64_END = -(2.0**63), 2.0**63
# More strings than any body has.
_HUGE = 1 << 40


class NotJson(Exception):
    """The text is not JSON as it is taken here; the message says where and why."""


def parse(text: bytes, max_depth: int) -> Any:
    """The value of a JSON text; raises `NotJson`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJson(_where(error)) from None
    return check(text, value, max_depth)


def split_list(text: bytes, name: bytes, max_depth: int) -> tuple[Any, list[bytes]]:
    """The text of each item of the list that an object has under `name`, and the object with null for each item.

    For an object that is refused as a whole: only where an item ends counts, not what is wrong inside it. Raises
    `NotJson` when the object around them is broken; there are no items where it has no such list.
    """
    pieces: list[bytes] = []
    items: list[bytes] = []
    kept = 0
    for start, end in _items(text, name):
        item = text[start:end].strip()
        if item:
            items.append(item)
            pieces += (text[kept:start], b"null")
            kept = end
    around = parse(b"".join((*pieces, text[kept:])), max_depth)
    listed = around.get(name.decode()) if type(around) is dict else None
    if items and (type(listed) is not list or len(listed) != len(items)):
        raise NotJson("it is not clear where its values end")
    return around, items


def _items(text: bytes, name: bytes) -> Iterator[tuple[int, int]]:
    """Where each item of the list called `name` begins and ends, as far as the brackets match."""
    awaited: list[bytes] = []
    key = last = b""
    inside = False
    start = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token in _CLOSES:
            awaited.append(_CLOSES[token])
            if awaited == [b"}", b"]"] and last == b":" and key == name:
                inside, start = True, found.end()
        elif token in (b"}", b"]"):
            if not awaited or awaited.pop() != token:
                raise NotJson("its brackets do not match")
            if inside and len(awaited) == 1:
                inside = False
                yield start, found.start()
        elif token == b"," and inside and len(awaited) == 2:
            yield start, found.start()
            start = found.end()
        elif token == b'"':
            raise NotJson("a string has no end")
        elif len(awaited) == 1 and token[:1] == b'"':
            key = _key(token)
        last = token


def _key(token: bytes) -> bytes:
    """A key, its escapes resolved; as it stands when that cannot be."""
    try:
        return bytes(orjson.loads(token).encode())
    except orjson.JSONDecodeError:
        return token


def check(text: bytes, value: Any, max_depth: int) -> Any:
    """The value that orjson read, exactly; refuses one that nests too deeply, or has a key twice in one object.

    Each string of a JSON text has two quotes, and a quote inside a string is escaped; so with escapes taken
    out, the quotes count the strings, keys among them. A repeated key is a string too many.
    """
    quotes = text.count(b'"')
    if b"\\" in text:
        quotes = _ESCAPE.sub(b"", text).count(b'"')
    strings = _strings(value, max_depth)
    if strings >= _HUGE:
        # orjson makes floats of integers beyond 64 bits: the slow parser gives their digits.
        strings %= _HUGE
        try:
            value = json.loads(text)
        except RecursionError:
            raise NotJson("the value nests too deeply") from None
    if quotes != 2 * strings:
        raise NotJson(_repeated(text))
    return value


def _strings(value: Any, max_depth: int) -> int:
    """How many strings a value holds, keys included, and `_HUGE` for each float that may have been an integer."""
    kind = type(value)
    if kind is dict:
        if max_depth <= 0:
            raise NotJson("the value nests too deeply")
        count = len(value)
        items = value.values()
    elif kind is list:
        if max_depth <= 0:
            raise NotJson("the value nests too deeply")
        count = 0
        items = value
    else:
        return 1 if kind is str else 0
    for item in items:
        kind = type(item)
        if kind is str:
            count += 1
        elif kind is dict or kind is list:
            count += _strings(item, max_depth - 1)
        elif kind is float and not _INT64_MIN < item < _INT64_END:
            count += _HUGE
    return count


def _repeated(text: bytes) -> str:
    """Name the key that comes twice; slow, and only for texts that are refused."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                found.append(key)
            seen.add(key)

    try:
        json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return "an object has a key twice"
    return f"the key {found[0][:60]!r} comes twice in one object" if found else "an object has a key twice"


def _where(error: orjson.JSONDecodeError) -> str:
    return f"{error.msg} (line {error.lineno}, column {error.colno})"
