"""The checks of an event, put together from its schema."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etld.events import checks, envelope, times
from etld.events.checks import CheckedField
from etld.events.ids import canonical
from etld.events.union import BranchValue, UnionBranch, union
from etld.events.validate import Validator

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.events.checks import Check
    from etld.schemas.catalog import EventType
    from etld.schemas.tree import RecordField, Type

_PLAIN: dict[str, Callable[[str], Check]] = {
    "string": checks.text,
    "long": checks.long,
    "int": checks.int_,
    "double": checks.double,
    "float": checks.float_,
    "boolean": checks.boolean,
    "null": checks.null,
}

# The types of JSON that a branch of a union may take, by logical type or kind.
_TEXT, _WHOLE, _NUMBER = frozenset({str}), frozenset({int}), frozenset({int, float})
_OBJECT, _ANY = frozenset({dict}), frozenset({str, int, float})
_TAKEN: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    **dict.fromkeys(("int", "long"), _WHOLE),
    **dict.fromkeys(("float", "double"), _NUMBER),
    "string": frozenset({str, int}),
    **dict.fromkeys(("enum", "bytes", "fixed", "uuid", "date", "time-millis", "time-micros"), _TEXT),
    **dict.fromkeys(("record", "map"), _OBJECT),
    "array": frozenset({list}),
    **dict.fromkeys(("decimal", "timestamp-millis", "timestamp-micros"), _ANY),
    **dict.fromkeys(("local-timestamp-millis", "local-timestamp-micros"), _ANY),
}


def validator(kind: EventType) -> Validator:
    """What checks the events of a type."""
    own = envelope.checks(kind.name, kind.event_names, kind.zone, kind.max_age, kind.max_ahead)
    inner = _Compiler(kind.zone, drop_unknown=kind.unknown_fields == "drop")
    fields = [
        CheckedField(
            field.name,
            own.get(field.name) or inner.check(field.type, field.name),
            default_of(field),
            bool(field.default) or field.name == "event_id",
            _aliases(field, kind.schema.tree),
        )
        for field in kind.schema.tree.fields
    ]
    return Validator(checks.record("", fields, drop_unknown=inner.drop_unknown))


def _aliases(field: RecordField, record: Type) -> tuple[str, ...]:
    """Its aliases that are not the names of other fields now."""
    return tuple(alias for alias in field.aliases if all(alias != other.name for other in record.fields))


def default_of(field: RecordField) -> Any:
    """A field's default as the value that Avro writes, None when there is none."""
    return _default(field.type, field.default[0]) if field.default else None


def _default(of: Type, value: Any) -> Any:
    if of.kind == "union":
        first = _default(of.branches[0], value)
        return BranchValue(0, first) if of.several and first is not None else first
    if of.kind == "record" and isinstance(value, dict):
        return {f.name: _default(f.type, value[f.name]) if f.name in value else default_of(f) for f in of.fields}
    if of.logical == "decimal" and isinstance(value, str):
        return Decimal(int.from_bytes(value.encode("latin-1"), signed=True)).scaleb(-of.scale)
    return value


class _Compiler:
    """Makes checks; `zone` is for times that name none."""

    def __init__(self, zone: str, *, drop_unknown: bool) -> None:
        self._zone = zone
        self.drop_unknown = drop_unknown

    def check(self, of: Type, path: str) -> Check:
        """The check of one type at `path`."""
        if of.kind == "record":
            fields = [
                CheckedField(
                    field.name,
                    self.check(field.type, f"{path}.{field.name}" if path else field.name),
                    default_of(field),
                    bool(field.default),
                    _aliases(field, of),
                )
                for field in of.fields
            ]
            return checks.record(path, fields, drop_unknown=self.drop_unknown)
        if of.kind == "union":
            return self._union(of, path)
        if of.items is not None:
            inner = self.check(of.items, "")
            return checks.array(path, inner) if of.kind == "array" else checks.map_(path, inner)
        if of.logical:
            return self._logical(of, path)
        if of.kind == "enum":
            return checks.enum(path, of.symbols)
        if of.kind in _PLAIN:
            return _PLAIN[of.kind](path)
        return checks.bytes_(path, of.size if of.kind == "fixed" else None)

    def _union(self, of: Type, path: str) -> Check:
        others = of.not_null
        null = len(others) < len(of.branches)
        if len(others) > 1:
            branches = [
                UnionBranch(
                    index,
                    one.name.rpartition(".")[2] or one.logical or one.kind,
                    one.kind,
                    self.check(one, path),
                    _TAKEN.get(one.logical) or _TAKEN[one.kind],
                    frozenset(field.name for field in one.fields),
                    one.logical in ("", "uuid"),
                )
                for index, one in enumerate(of.branches)
                if one.kind != "null"
            ]
            return union(path, branches, null=null)
        if not others:
            return checks.null(path)
        only = self.check(others[0], path)
        return (lambda value, errors: None if value is None else only(value, errors)) if null else only

    def _logical(self, of: Type, path: str) -> Check:
        if of.logical == "decimal":
            return checks.decimal(path, of.precision, of.scale)
        if of.logical == "uuid":
            return checks.parsed(path, "a UUID", _uuid)
        if of.logical == "date":
            return checks.parsed(path, "a date as YYYY-MM-DD", times.parse_date)
        divisor = 1000 if of.logical.endswith("millis") else 1
        if of.logical.startswith("time-"):
            return checks.parsed(path, "a time of day as HH:MM:SS", lambda value: times.parse_clock(value) // divisor)
        # A local timestamp has no zone of its own: the digits count, as if they were UTC.
        zone = "UTC" if of.logical.startswith("local-") else self._zone
        return checks.parsed(path, times.EXPECTED, lambda value: times.parse_time(value, zone) // divisor)


def _uuid(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return canonical(value)
