"""From what a person writes, `user_id=7`, to conditions on fields that the schemas know."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from etld.erasure.subject import FieldValue, Subject, make, number
from etld.errors import UsageError
from etld.events.ids import canonical as canonical_id
from etld.schemas import tree
from etld.schemas.fields import COLUMNS, DETAILS
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from etld.config.sections.events import EventTypeSection
    from etld.schemas.tree import Type

EVENT_ID = "event_id"
#: Columns that name nobody by themselves.
_OF_MANY = COLUMNS - {"triggered_at"}
_NUMBERS = frozenset({"int", "long", "float", "double"})
_SCALARS = _NUMBERS | {"string", "enum", "boolean"}
_ANYTHING = "anything"


class KnownFields:
    """The fields of all event types that hold one value each."""

    def __init__(self, event_types: Mapping[str, EventTypeSection]) -> None:
        self._kinds: dict[str, set[str]] = {EVENT_ID: {EVENT_ID}, **{name: {"string"} for name in _OF_MANY}}
        self._maps: dict[str, set[str]] = {}
        for name, kind in event_types.items():
            try:
                top = tree.read(kind.schema.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"the schema of event type {name} cannot be read: {error}", code="ETLD-R003") from None
            for field in top.fields:
                if field.name in DETAILS:
                    self._add(field.name, field.type)

    def condition(self, written: str) -> FieldValue:
        """Of `path=value`; raises `UsageError`."""
        path, found, value = written.partition("=")
        if not found or not path or not value:
            raise UsageError(f"expected FIELD=VALUE as in user_id=7, got {written!r}", code="ETLD-F003")
        return self.given(path.strip(), value)

    def given(self, path: str, value: str) -> FieldValue:
        """A field, by its path or by the end of it, with what somebody wrote as its value; raises `UsageError`."""
        whole = self._path(path)
        kinds = self._of(whole)
        if "\0" in value:
            raise UsageError(f"{whole}: no event holds the character U+0000", code="ETLD-F003")
        if kinds == {EVENT_ID}:
            try:
                return FieldValue(whole, canonical_id(value.strip()))
            except ValueError:
                raise UsageError(f"{whole}: expected a UUID, got {value!r}", code="ETLD-F003") from None
        if kinds <= _NUMBERS:
            plain = number(value.strip())
            if plain is None:
                raise UsageError(f"{whole}: expected a number, got {value!r}", code="ETLD-F003")
            return FieldValue(whole, plain)
        if kinds == {"boolean"} and value not in ("true", "false"):
            raise UsageError(f"{whole}: expected true or false, got {value!r}", code="ETLD-F003")
        return FieldValue(whole, value)

    def read_file(self, file: Path) -> list[Subject]:
        """The subjects of a CSV file whose first line names fields: one a line; raises `UsageError`."""
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return list(self._rows(file, csv.reader(lines, strict=True)))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(
                f"cannot read {file}: {getattr(error, 'strerror', None) or error}", code="ETLD-X005"
            ) from None

    def _rows(self, file: Path, rows: Iterator[list[str]]) -> Iterator[Subject]:
        head = [self._path(name.strip()) for name in next(rows, [])]
        if not head:
            raise UsageError(
                f"{file} is empty: its first line names fields, and each other one is a subject", code="ETLD-X005"
            )
        seen = set()
        for number_of_line, row in enumerate(rows, 2):
            if not row:
                continue
            if len(row) != len(head) or not all(row):
                raise UsageError(
                    f"{file}, line {number_of_line}: expected a value for each of {', '.join(head)}", code="ETLD-F003"
                )
            one = subject([self.given(path, value) for path, value in zip(head, row, strict=True)])
            if one not in seen:
                seen.add(one)
                yield one

    def _path(self, path: str) -> str:
        if self._of(path):
            return path
        ends = [known for known in self._kinds if known.endswith(f".{path}")]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise UsageError(f"{path} may be {' or '.join(sorted(ends))}: write which", code="ETLD-F003")
        if path == "triggered_at":
            raise UsageError("triggered_at is a time, and names nobody", code="ETLD-F003")
        short = [known.rpartition(".")[2] for known in self._kinds]
        hint = did_you_mean(path, [*self._kinds, *short], 0.6)
        raise UsageError(
            f"no event type has a field {path}{hint or '; known: ' + ', '.join(sorted(self._kinds))}", code="ETLD-F003"
        )

    def _of(self, path: str) -> set[str]:
        """The kinds of a field in the event types that have it; nothing when none has."""
        if path in self._kinds:
            return self._kinds[path]
        return next((kinds for known, kinds in self._maps.items() if path.startswith(f"{known}.")), set())

    def _add(self, path: str, of: Type) -> None:
        of = of.optional or of
        if of.kind == "record":
            for field in of.fields:
                self._add(f"{path}.{field.name}", field.type)
        elif of.kind == "map" and of.items is not None:
            inner = of.items.optional or of.items
            self._maps.setdefault(path, set()).add(_kind(inner))
        elif of.several or _kind(of) != "":
            self._kinds.setdefault(path, set()).add(_kind(of) or _ANYTHING)


def subject(conditions: Sequence[FieldValue]) -> Subject:
    """A subject; raises `UsageError` for conditions that name nobody, or nothing that can be."""
    made = make(conditions)
    if len(set(made.fields)) < len(made.fields):
        raise UsageError("a field has one value: these conditions are met by no event", code="ETLD-F003")
    if all(one.path in _OF_MANY for one in made.conditions):
        raise UsageError(
            "event types and names are those of everybody: name a field of user_details or event_details",
            code="ETLD-F003",
        )
    return made


def _kind(of: Type) -> str:
    """How its values compare: as numbers, true or false, or texts; "" for what is no single value."""
    if of.several:
        return _ANYTHING
    if of.logical:
        return "string"
    return of.kind if of.kind in _SCALARS else ""
