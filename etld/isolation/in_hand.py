"""What a worker has in hand, noted where its next life finds it.

The note is memory that a file in the state directory stands behind: writing it is no system call, and it is there
whatever ends the process. After a power cut it may be old, which does no harm: a note condemns nothing, it only says
where to look.
"""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import os
import struct
import threading
import time
import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

log = logging.getLogger("etld.worker")

#: What is noted apart from each other, since it is done in two threads.
PREPARING, WRITING = 0, 1
_PLACES = (PREPARING, WRITING)
_HISTORY = 2
_CELL = 32768
_SIZE = 3 * _CELL
# Length and CRC-32 of what follows; a length of 0 means nothing.
_HEADER = struct.Struct("<II")
#: So many lives that ended with something in hand make it suspect.
SUSPECT = 2
# Seconds: nobody came by it again, so another worker has it.
_FORGOTTEN_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Held:
    """Something in hand: of `kind` "records" a partition with offsets from `first` to before `until`.

    What has no numbers (a letter, an operation) is its `key` alone.
    """

    kind: str
    key: str
    first: int = 0
    until: int = 1

    def is_of(self, other: Held) -> bool:
        """Is it the same thing, whatever its numbers?"""
        return (self.kind, self.key) == (other.kind, other.key)

    def overlaps(self, other: Held) -> bool:
        """Is some of it some of the other?"""
        return self.is_of(other) and self.first < other.until and other.first < self.until


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Lives of a worker ended `times` times with this in hand; `seen` is when that was last (seconds since 1970)."""

    held: Held
    times: int
    seen: float


@dataclass(frozen=True, slots=True)
class Killer:
    """What ends processes: one thing, in its present `life` (the id of a topic, where numbers begin anew), and how."""

    held: Held
    life: str
    stage: str
    how: str
    times: int


def text_of(held: Iterable[Held]) -> bytes:
    """Things as a note has them; those that find no room in it are left out."""
    parts: list[list[Any]] = []
    size = 0
    for one in held:
        size += len(one.kind) + len(one.key) + 64
        if size > _CELL - _HEADER.size:
            break
        parts.append([one.kind, one.key, one.first, one.until])
    return json.dumps(parts, separators=(",", ":")).encode()


def merged(known: Iterable[Suspicion], held: Iterable[Held], times: int, now: float) -> list[Suspicion]:
    """What is known after a life has ended with `held` in hand; that end counts `times` times."""
    before = [one for one in known if now - one.seen < _FORGOTTEN_AFTER]
    found: list[Suspicion] = []
    for one in dict.fromkeys(held):
        same = [old for old in before if old.held.overlaps(one)]
        first = min([one.first, *(old.held.first for old in same)])
        until = max([one.until, *(old.held.until for old in same)])
        count = max((old.times for old in same), default=0) + times
        found.append(Suspicion(replace(one, first=first, until=until), count, now))
    return found + [old for old in before if not any(old.held.overlaps(one.held) for one in found)]


class InHand:
    """The note of one worker, for any thread; each place has one that takes and puts down.

    `ended_by_itself`: the life before was ended by nobody from outside (it crashed, or hung): that counts at once.
    Without a `path`, or where the file cannot be made, nothing outlives the process.
    """

    def __init__(self, path: Path | None, *, ended_by_itself: bool = False) -> None:
        self._memory = _opened(path)
        self._lock = threading.Lock()
        self.suspicions: list[Suspicion] = []
        #: Of what is in hand, what is known to end processes, until it is done.
        self.killers: list[Killer] = []
        self._careful: dict[str, float] = {}
        with contextlib.suppress(ValueError, TypeError, KeyError):  # nothing yet, torn, or of another version
            self._restore()
        with contextlib.suppress(ValueError, TypeError):
            former = [Held(*one) for place in _PLACES for one in json.loads(self._read(place))]
            self.suspicions = merged(self.suspicions, former, SUSPECT if ended_by_itself else 1, time.time())
        self._save()
        for place in _PLACES:
            self.put_down(place)

    def take(self, place: int, text: bytes) -> None:
        """Note what is worked on from now on, as `text_of` has it."""
        begin = place * _CELL
        _HEADER.pack_into(self._memory, begin, 0, 0)
        begin += _HEADER.size
        self._memory[begin : begin + len(text)] = text
        _HEADER.pack_into(self._memory, begin - _HEADER.size, len(text), zlib.crc32(text))

    def put_down(self, place: int) -> None:
        """It is done."""
        _HEADER.pack_into(self._memory, place * _CELL, 0, 0)

    @contextlib.contextmanager
    def holding(self, place: int, text: bytes) -> Iterator[None]:
        """Work on something. What ends the process leaves the note there, a panic of a library too (no Exception)."""
        self.take(place, text)
        try:
            yield
        except Exception:
            self.put_down(place)
            raise
        self.put_down(place)

    def suspects(self) -> list[Held]:
        """What lives ended with more than once."""
        return [one.held for one in self.suspicions if one.times >= SUSPECT]

    def suspect(self, held: Iterable[Held]) -> None:
        """Something ended the work on these in another way: look there."""
        with self._lock:
            self.suspicions = merged(self.suspicions, held, SUSPECT, time.time())
            self._save()

    def condemn(self, killer: Killer) -> None:
        """It was found: the next life need not search for it again."""
        with self._lock:
            self.killers = [*self.killers, killer]
            self._save()

    def passed(self, done: Held) -> None:
        """This is done: nothing of it that ends before `done.until` is suspect any more, and killers in it are gone."""
        with self._lock:
            kept = [one for one in self.suspicions if one.held.until > done.until or not one.held.is_of(done)]
            killers = [one for one in self.killers if one.held.until > done.until or not one.held.is_of(done)]
            if len(kept) < len(self.suspicions) or len(killers) < len(self.killers):
                self.suspicions, self.killers = kept, killers
                self._save()

    @property
    def careful(self) -> set[str]:
        """Of what kind something ended a process not long ago."""
        if not self._careful:
            return set()
        now = time.time()
        self._careful = {key: until for key, until in self._careful.items() if until > now}
        return set(self._careful)

    def be_careful(self, key: str, seconds: float) -> None:
        """More of this kind may come: note that for so long."""
        with self._lock:
            self._careful = {**self._careful, key: time.time() + seconds}
            self._save()

    def _restore(self) -> None:
        history = json.loads(self._read(_HISTORY))
        self.suspicions = [Suspicion(Held(**one["held"]), one["times"], one["seen"]) for one in history["known"]]
        self._careful = dict(history["careful"])
        self.killers = [Killer(**{**one, "held": Held(**one["held"])}) for one in history["killers"]]

    def _save(self) -> None:
        text = b""
        known, killers = self.suspicions, self.killers
        while not text or len(text) > _CELL - _HEADER.size:
            found = {"known": [asdict(one) for one in known], "killers": [asdict(one) for one in killers]}
            text = json.dumps({**found, "careful": self._careful}).encode()
            known, killers = known[: len(known) // 2], killers[: len(killers) // 2]
        self.take(_HISTORY, text)

    def _read(self, place: int) -> bytes:
        """What stands there, "[]" for nothing."""
        begin = place * _CELL
        length, check = _HEADER.unpack_from(self._memory, begin)
        begin += _HEADER.size
        text = bytes(self._memory[begin : begin + min(length, _CELL - _HEADER.size)])
        return text if length and zlib.crc32(text) == check else b"[]"


def _opened(path: Path | None) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, _SIZE)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # A hole in the file would be SIGBUS on a disk that is full.
            os.posix_fallocate(fd, 0, _SIZE)
            return mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
    except OSError as error:
        log.warning("cannot keep a note of what is in hand in %s: %s", path, error.strerror)
        return mmap.mmap(-1, _SIZE)
