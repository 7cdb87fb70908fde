"""What arrives again of forgotten subjects: by a restored backup, a replay, a position that went back.

Without an erasure on record this is one comparison of numbers a batch, and with thousands one more, of the time of the
oldest record with that of the last erasure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etld.erasure import key as keys
from etld.erasure import records
from etld.erasure.subject import below, canonical
from etld.postgres import statements
from etld.sinks.postgres.unwrap import cursor_of, erasures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from etld.erasure.key import ErasureKey
    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import Transaction

_SQL = statements.load(__package__, "erasure")


@dataclass(frozen=True, slots=True)
class _Erased:
    """One erasure; times in milliseconds since 1970. `behind`: only records from these offsets on, by place."""

    begun: bool
    accepted_until: int
    behind: Mapping[str, int] | None

    def takes(self, accepted: int, place: str, offset: int) -> bool:
        """Is a record of the subject left out?"""
        if self.begun or accepted > self.accepted_until:
            return False
        return self.behind is None or offset >= self.behind.get(place, 0)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where records came from, in lists of one length: place (`records.place`), offset, milliseconds since 1970."""

    places: Sequence[str]
    offsets: Sequence[int]
    accepted: Sequence[int]


@dataclass
class _Known:
    """The erasures by the fields and the hash of their subjects."""

    step: int = 0
    latest: int = 0
    latest_begun: int = 0
    by_fields: dict[tuple[str, ...], dict[bytes, list[_Erased]]] = field(default_factory=dict)


class Erasures:
    """The erasures as one writer of batches knows them. Each call is for one thread at a time."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: ErasureKey | None = None
        self._known = _Known()

    def load(self, conn: Connection | Cursor) -> None:
        """Read what is on record; raises `ErasureKeyProblem`."""
        known = _Known()
        for step, _, fields, subject, fingerprint, state, until, read_until in conn.execute(_SQL.all).fetchall():
            self._check(fingerprint)
            known.step = step
            erased = _Erased(state == "begun", until, read_until if state == "reading" else None)
            known.by_fields.setdefault(tuple(fields), {}).setdefault(bytes(subject), []).append(erased)
            known.latest_begun = max(known.latest_begun, until)
            if not erased.begun:
                known.latest = max(known.latest, until)
        self._known = known

    def concern(self, transaction: Transaction, oldest: Callable[[], int]) -> bool:
        """May a batch whose oldest record was accepted then (milliseconds since 1970) have events of the forgotten?"""
        self._catch_up(transaction)
        return self._known.latest > 0 and self.may_take(oldest())

    @property
    def step(self) -> int:
        """The number of the last change of what is on record, as far as was read."""
        return self._known.step

    @property
    def latest(self) -> int:
        """Nothing accepted after this, in milliseconds since 1970, is left out; 0 where nobody was forgotten."""
        return self._known.latest

    def may_take(self, oldest: int) -> bool:
        """May events of which the oldest was accepted then be of the forgotten, as far as was read?"""
        return 0 < oldest <= self._known.latest

    def concern_letters(self, transaction: Transaction) -> bool:
        """May a batch of dead letters have some of the forgotten?"""
        self._catch_up(transaction)
        return self._known.latest_begun > 0

    @property
    def latest_letter(self) -> int:
        """No dead letter accepted after this, in milliseconds since 1970, is left out."""
        return self._known.latest_begun

    def rows(self, frame: pl.DataFrame, came: Coordinates) -> list[int]:
        """Which rows of a frame of events, by place in it, are to be left out; `came` has one entry a row."""
        found: set[int] = set()
        for fields, subjects in self._known.by_fields.items():
            columns = [_texts(frame, path.split(".")) for path in fields]
            hashes: dict[tuple[str, ...], list[_Erased]] = {}
            for row, values in enumerate(zip(*columns, strict=True)):
                if None in values:
                    continue
                erased = hashes.get(values)
                if erased is None:
                    erased = hashes[values] = subjects.get(self._hashed(fields, values), [])
                if any(one.takes(came.accepted[row], came.places[row], came.offsets[row]) for one in erased):
                    found.add(row)
        return sorted(found)

    def letter(self, event: Mapping[str, Any], accepted: int) -> bool:
        """Is a dead letter, as its bytes say, accepted then, of a forgotten subject?"""
        for fields, subjects in self._known.by_fields.items():
            values = tuple(canonical(below(event, path.split("."))) for path in fields)
            if None not in values:
                found = subjects.get(self._hashed(fields, [value or "" for value in values]), ())
                if any(accepted <= one.accepted_until for one in found):
                    return True
        return False

    def matching(self, fields: tuple[str, ...], values: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], datetime]:
        """Those of some values that are a forgotten subject's, and until when what it sent was taken."""
        subjects = self._known.by_fields.get(fields, {})
        found = {}
        for one in values:
            taken = [
                erased.accepted_until for erased in subjects.get(self._hashed(fields, one), ()) if not erased.begun
            ]
            if taken:
                found[one] = datetime.fromtimestamp(max(taken) / 1000, UTC)
        return found

    def _catch_up(self, transaction: Transaction) -> None:
        if erasures_of(transaction) > self._known.step:
            self.load(cursor_of(transaction))

    def _check(self, fingerprint: str) -> None:
        if self._key is None:
            self._key = keys.read(self._key_file)
        if self._key.fingerprint != fingerprint:
            found, self._key = self._key, None
            records.refuse(found, fingerprint)

    def _hashed(self, fields: Sequence[str], values: Sequence[str]) -> bytes:
        assert self._key is not None
        return self._key.hashed(fields, values)


def _texts(frame: pl.DataFrame, path: Sequence[str]) -> list[str | None]:
    """A field of each row, as `canonical` writes it."""
    # Commands, setup and the corrector look for letters and values, and do without frames.
    import polars as pl

    from etld.serdes import json_text
    from etld.serdes.columns import JSON_TEXT

    steps = list(path)
    values = frame[steps.pop(0)]
    while steps and isinstance(values.dtype, pl.Struct):
        if steps[0] not in {one.name for one in values.dtype.fields}:
            return [None] * frame.height
        values = values.struct.field(steps.pop(0))
    if steps and values.dtype != JSON_TEXT:
        return [None] * frame.height
    if values.dtype == pl.String:
        return values.str.to_lowercase().to_list() if path == ["event_id"] else values.to_list()
    if values.dtype.is_integer():
        return values.cast(pl.String).to_list()
    # As the row has it in its JSON, so that a number is what it is there.
    return [None if text is None else canonical(below(_json(text), steps)) for text in json_text.column(values)]


def _json(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)
