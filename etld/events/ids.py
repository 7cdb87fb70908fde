"""Event ids: UUIDs in canonical lower case."""

from __future__ import annotations

import itertools
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_ANY_CASE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch

# "evnt_id", "eventUuid" and "EventID" are as much like "event_id".
_LIKENESS = 0.75
_LETTERS = "eventid"
_ALL_LETTERS = (1 << len(_LETTERS)) - 1
_PLACES = {letter: sum(1 << i for i, other in enumerate(_LETTERS) if other == letter) for letter in _LETTERS}
# A longer name is not like it; and so many UUIDs of an event are looked at, which has a handful of them.
_LONGEST = 19
_MOST_LOOKS = 20

# Namespaces of derived ids. Changing one would make a retry a different event: never do.
_CLIENT_IDS = uuid.UUID("6f1d4c9e-5a63-5b0e-9c55-0f6f0b8f2d11")
_DEAD_LETTERS = uuid.UUID("b1f3a2c7-83de-5c1a-8f3d-6a2a6b7f9e42")


# The second halves of ids to come. Made in advance, since a call into the kernel for each would cost more than the
# rest; of the kernel's random bits all the same, since who could foretell an id could send an event of that id first.
_tails: list[str] = []
_AT_ONCE = 256
os.register_at_fork(after_in_child=_tails.clear)
# How the ids of the last millisecond begin.
_begins: dict[int, str] = {}


def new_event_id() -> str:
    """A UUIDv7 (RFC 9562): sorted by the time it was made, so that the table's unique index stays compact."""
    millis = time.time_ns() // 1_000_000
    begin = _begins.get(millis)
    if begin is None:
        text = f"{millis & 0xFFFF_FFFF_FFFF:012x}"
        begin = f"{text[:8]}-{text[8:]}-7"
        _begins.clear()
        _begins[millis] = begin
    try:
        return begin + _tails.pop()
    except IndexError:
        return begin + _more_tails()


def _more_tails() -> str:
    digits = os.urandom(9 * _AT_ONCE).hex()
    # "8" is the variant; 72 random bits are left.
    made = [f"{digits[i : i + 3]}-8{digits[i + 3 : i + 6]}-{digits[i + 6 : i + 18]}" for i in range(0, len(digits), 18)]
    first = made.pop()
    _tails.extend(made)
    return first


def is_canonical(text: str) -> bool:
    """Whether `text` is a UUID as etld keys it: 36 characters, lower case, hyphens in place."""
    return _CANONICAL(text) is not None


def canonical(text: str) -> str:
    """The UUID `text` in canonical lower case; raises ValueError when it is no hyphenated UUID."""
    if _CANONICAL(text):
        return text
    if _ANY_CASE(text):
        return text.lower()
    raise ValueError("not a UUID")


def misplaced(event: Mapping[str, Any]) -> str | None:
    """The id of a broken event that has none where it belongs: misspelt, or one level too deep.

    A client that sends such an event again means the same event. None when there is none, or more than one.
    """
    insides = (inside for inside in event.values() if isinstance(inside, dict))
    uuids = (
        (name, value)
        for fields in itertools.chain((event,), insides)
        for name, value in fields.items()
        if isinstance(value, str) and len(name) <= _LONGEST and _ANY_CASE(value)
    )
    found = {canonical(value) for name, value in itertools.islice(uuids, _MOST_LOOKS) if _like_event_id(name)}
    return found.pop() if len(found) == 1 else None


def _like_event_id(name: str) -> bool:
    """Are most letters of "eventid" there in this order, and few others?

    The usual bits for the longest common subsequence: difflib takes ten times as long, and a client may send
    thousands of names.
    """
    plain = [letter for letter in name.lower() if letter.isalnum()]
    rest = _ALL_LETTERS
    for letter in plain:
        here = rest & _PLACES.get(letter, 0)
        rest = (rest + here | rest - here) & _ALL_LETTERS
    common = len(_LETTERS) - rest.bit_count()
    return 2 * common >= _LIKENESS * (len(plain) + len(_LETTERS))


def derived(key_name: str, value: str, index: int = 0) -> str:
    """The event id that stands for a client's own id.

    `key_name` says where the id came from ("messageId", "Idempotency-Key"), `index` is the event's
    place in its batch. The same three always give the same UUIDv5, so a retry is the same event.
    """
    return str(uuid.uuid5(_CLIENT_IDS, f"{key_name}\x1f{value}\x1f{index}"))


def dead_letter_id(cluster: str, topic_id: str, partition: int, offset: int) -> str:
    """The id of the dead letter of one Kafka record: a relay that repeats makes the same one."""
    return str(uuid.uuid5(_DEAD_LETTERS, f"{cluster}\x1f{topic_id}\x1f{partition}\x1f{offset}"))


def request_dead_letter_id(request_id: str, index: int) -> str:
    """The id of the dead letter of one event of an HTTP request."""
    return str(uuid.uuid5(_DEAD_LETTERS, f"request\x1f{request_id}\x1f{index}"))
