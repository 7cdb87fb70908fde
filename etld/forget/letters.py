"""The dead letters of subjects: found by what their bytes say, as far as these can be read, and erased."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters import erasing, repository
from etld.deadletters.decode import decode
from etld.deadletters.letter_headers import CLASS_NAME
from etld.erasure import records
from etld.erasure.subject import below, canonical
from etld.isolation.search import ERROR_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from etld.deadletters.letters import PendingLetter
    from etld.deadletters.repairer import Repairer
    from etld.erasure.subject import FieldValue, Subject
    from etld.postgres.connections import Connection
    from etld.schemas.registry import SchemaCache

# A text of fewer characters stands in many bytes by chance.
_TELLING = 6


@dataclass(frozen=True, slots=True)
class Sought:
    """A subject whose letters are erased, with the erasure's number, and until when these were accepted."""

    erasure: int
    subject: Subject
    accepted_until: datetime


class LetterSearch:
    """Looks at every dead letter of the database, a page at a time."""

    def __init__(self, conn: Connection, repairer: Repairer, schemas: SchemaCache) -> None:
        self._conn = conn
        self._repairer = repairer
        self._schemas = schemas

    def erase(self, sought: Sequence[Sought]) -> int:
        """Erase the letters of some subjects, also those of the outbox; how many, which are counted."""
        total = 0
        for ids, found in self._letters(sought):
            with self._conn.transaction(), self._conn.cursor() as cur:
                if erasing.erase(cur, ids):
                    records.count(cur, Counter(found), letters=True)
                    total += len(ids)
        for row_ids, found in self._outbox(sought):
            with self._conn.transaction(), self._conn.cursor() as cur:
                erasing.erase_outbox(cur, row_ids)
                records.count(cur, Counter(found), letters=True)
                total += len(row_ids)
        return total

    def count(self, sought: Sequence[Sought]) -> int:
        """How many there are."""
        return sum(len(ids) for ids, _ in self._letters(sought)) + sum(len(ids) for ids, _ in self._outbox(sought))

    def _letters(self, sought: Sequence[Sought]) -> Iterator[tuple[list[str], list[int]]]:
        for page in erasing.pages(self._conn):
            with self._conn.cursor() as cur:
                letters = repository.of_ids(cur, list(page))
                history = repository.attempts_of(cur, [one.id for one in letters if one.attempts])
            self._repairer.announce(letters)
            pairs = []
            for one in letters:
                tries = history.get(one.id, ())
                repaired = [found for attempt in tries if isinstance(found := attempt.after, dict)]
                whose = self._whose(sought, page[one.id], self._event(one), one.value, repaired)
                if whose is not None:
                    pairs.append((one.id, whose))
            if pairs:
                yield [letter for letter, _ in pairs], [whose for _, whose in pairs]

    def _outbox(self, sought: Sequence[Sought]) -> Iterator[tuple[list[int], list[int]]]:
        for page in erasing.outbox_pages(self._conn):
            pairs = []
            for one in page:
                spared = one.headers.get(CLASS_NAME) == ERROR_CLASS
                event = None if spared else decode(one.value, self._schemas, one.schema_header).event
                whose = self._whose(sought, one.accepted, event, one.value)
                if whose is not None:
                    pairs.append((one.row_id, whose))
            if pairs:
                yield [row for row, _ in pairs], [whose for _, whose in pairs]

    def _event(self, letter: PendingLetter) -> dict[str, Any] | None:
        with _nothing_if_too_deep():
            return self._repairer.decode(letter).event
        return None

    @staticmethod
    def _whose(
        sought: Sequence[Sought],
        accepted: datetime,
        event: Mapping[str, Any] | None,
        value: bytes | None,
        repaired: Iterable[Mapping[str, Any]] = (),
    ) -> int | None:
        """The number of the erasure that a letter falls under, if one does."""
        for one in sought:
            if accepted <= one.accepted_until and concerns(one.subject, event, value, repaired):
                return one.erasure
        return None


def concerns(
    subject: Subject,
    event: Mapping[str, Any] | None,
    value: bytes | None,
    repaired: Iterable[Mapping[str, Any]] = (),
) -> bool:
    """Is a dead letter the subject's, as far as can be told?

    `event` is what its bytes say, None: nothing that can be read; then the values are looked for in the bytes.
    `repaired` is what rules made of it. A field that is not where it belongs may be anywhere in a broken event.
    """
    if event is None:
        return value is not None and all(_in_bytes(one, value) for one in subject.conditions)
    if any(subject.is_that_of(one) for one in repaired):
        return True
    return all(_in_event(one, event) for one in subject.conditions)


def _in_event(one: FieldValue, event: Mapping[str, Any]) -> bool:
    found = below(event, one.steps)
    if found is not None:
        text = canonical(found)
        return text is not None and one.value in (text, text.strip())
    return any(canonical(value) == one.value for value in _named(one.steps[-1], event))


def _named(name: str, value: Any) -> Iterator[Any]:
    """All that has this name, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from _named(name, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _named(name, item)


def _in_bytes(one: FieldValue, value: bytes) -> bool:
    if len(one.value) >= _TELLING and one.value.encode() in value:
        return True
    # As in JSON that is cut short.
    name, text = re.escape(one.steps[-1].encode()), re.escape(one.value.encode())
    return re.search(rb'"' + name + rb'"\s*:\s*"?' + text + rb"(?![\w.])", value) is not None


@contextmanager
def _nothing_if_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        return
