"""The schema ids that a registry did not know, and for how long that holds."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from etld.schemas.reference import of_text
from etld.util.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etld.schemas.reference import SchemaRef

log = logging.getLogger("etld.schemas")

# Seconds: soon at first, since a replica of a registry may be late, then twice as long each time.
SHORTEST, _LONGEST = 10.0, 300.0
_MOST, _MOST_IN_FILE = 100_000, 20_000
_WRITE_EVERY = 2.0


class UnknownIds:
    """Answers "there is none" that outlive the process: with `path` they are in a file that all workers share.

    `registry` is who said so: what another one said does not count. `longest` is how long (seconds) such an answer
    may come to hold. The file is a help only: what cannot be read or written is done without.
    """

    def __init__(
        self,
        path: Path | None = None,
        registry: str = "",
        longest: float = _LONGEST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._registry = registry
        self._longest = longest
        #: The time that all of this goes by.
        self.now = clock
        #: By id: when it was said, and until when it holds (of the clock of the machine, which may be set back).
        self._said: dict[SchemaRef, tuple[float, float]] = {}
        self._read_as: tuple[int, int] | None = None
        self._changed = False
        self._written = 0.0

    def holds(self, schema_id: SchemaRef) -> bool:
        """Is it known to be unknown?"""
        said = self._said.get(schema_id)
        return said is not None and said[0] <= self.now() < said[1]

    def said_since(self, schema_id: SchemaRef, moment: float) -> bool:
        """Was it said after that moment (of the same clock), whether it holds still or not?"""
        said = self._said.get(schema_id)
        return said is not None and moment <= said[0] <= self.now()

    def note(self, schema_id: SchemaRef) -> None:
        """The registry says that there is none."""
        now = self.now()
        before = self._said.pop(schema_id, None)
        held = 2 * (before[1] - before[0]) if before is not None else SHORTEST
        if len(self._said) >= _MOST:
            for oldest in list(self._said)[: _MOST // 10]:
                del self._said[oldest]
        self._said[schema_id] = (now, now + min(self._longest, max(SHORTEST, held)))
        self._changed = True

    def forget(self, schema_id: SchemaRef) -> None:
        """It is known by now."""
        self._changed = self._said.pop(schema_id, None) is not None or self._changed

    def read(self) -> None:
        """Take over what other workers, or the one before, were told."""
        if self._path is None:
            return
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns)
            if seen == self._read_as:
                return
            self._read_as = seen
            document = json.loads(self._path.read_bytes())
            if document["registry"] != self._registry:
                return
            now = self.now()
            for text, (said, until) in document["unknown"].items():
                schema_id = of_text(text)
                mine = self._said.get(schema_id)
                if said <= now < until <= said + self._longest and (mine is None or mine[0] < said):
                    self._said[schema_id] = (float(said), float(until))

    def write(self) -> None:
        """Let others know, every few seconds at most."""
        now = time.monotonic()
        if self._path is None or not self._changed or now < self._written + _WRITE_EVERY:
            return
        self.read()
        clock = self.now()
        held = [(str(one), said) for one, said in self._said.items() if said[1] > clock]
        document = {"registry": self._registry, "unknown": dict(held[-_MOST_IN_FILE:])}
        try:
            write_atomically(self._path, json.dumps(document).encode(), durable=False)
        except OSError as error:
            log.warning("cannot write %s: %s", self._path, error.strerror or error)
        self._changed, self._written = False, now
