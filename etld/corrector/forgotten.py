"""Dead letters of subjects that were forgotten: left out when they arrive, and counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.deadletters import erasing, letter_headers
from etld.deadletters.decode import decode
from etld.erasure import records
from etld.isolation.search import ERROR_CLASS
from etld.sinks.postgres.unwrap import connection_of, cursor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etld.deadletters.letters import ArrivedLetter
    from etld.erasure.arrival import Erasures
    from etld.kafka.types import Partition
    from etld.schemas.registry import SchemaCache
    from etld.sinks.base import SideConnection, Transaction

    Letters = Sequence[tuple[Partition, ArrivedLetter]]

_LOOK_EVERY = 10.0
# Seconds after which nobody is thought to be at it any more.
_LONGEST = 900.0


class ForgottenLetters:
    """Knows the erasures; `load` is for the loop's thread before it writes, the rest for the writer's."""

    def __init__(self, erasures: Erasures, open_schemas: Callable[[], SchemaCache]) -> None:
        self._erasures = erasures
        self._open = open_schemas
        self._schemas: SchemaCache | None = None
        self._look_at = 0.0
        self._left_over: str | None = None

    def load(self, side: SideConnection) -> None:
        """Read what is on record; raises `ErasureKeyProblem`."""
        self._erasures.load(connection_of(side))

    def left_over(self, side: SideConnection) -> str | None:
        """An erasure that came to no end, in words; looks now and then."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_EVERY
            found = records.left_over(connection_of(side))
            self._left_over = None
            if found is not None and found[2] > _LONGEST:
                self._left_over = (
                    f"erasure {found[0]} by {found[1]}, begun {found[2] / 60:.0f} min ago, has come to no end: give the"
                    " same `etld forget` again, and it goes on"
                )
        return self._left_over

    def left_out(self, transaction: Transaction, letters: Letters) -> tuple[Letters, dict[Partition, int]]:
        """The letters to keep, and how many of the others were known, by partition; they are counted."""
        if not letters or not self._erasures.concern_letters(transaction):
            return letters, {}
        cur = cursor_of(transaction)
        erased = records.forgotten_letters(cur, [letter.id for _, letter in letters])
        out = [(key, one) for key, one in letters if one.id in erased or self._is_forgotten(one)]
        if not out:
            return letters, {}
        first = erasing.leave_out(cur, list({one.id: one for _, one in out}.values()))
        known: dict[Partition, int] = {}
        for partition, letter in out:
            if letter.id in first:
                first.remove(letter.id)
            else:
                known[partition] = known.get(partition, 0) + 1
        gone = {one.id for _, one in out}
        return [(key, one) for key, one in letters if one.id not in gone], known

    def _is_forgotten(self, letter: ArrivedLetter) -> bool:
        accepted = _accepted(letter)
        if letter.error_class == ERROR_CLASS or accepted is None or accepted > self._erasures.latest_letter:
            return False
        if self._schemas is None:
            self._schemas = self._open()
        event = decode(letter.value, self._schemas, letter.headers.get(letter_headers.SCHEMA)).event
        return event is not None and self._erasures.letter(event, accepted)


def _accepted(letter: ArrivedLetter) -> int | None:
    """When Kafka took the dead record, in milliseconds since 1970: as a processor saw it, else as the letter says."""
    told = letter.headers.get(letter_headers.ACCEPTED_AT, "")
    if told.isascii() and told.isdecimal():
        return int(told[:18])
    return None if letter.queued_at is None else round(letter.queued_at.timestamp() * 1000)
