"""The short way of a plainly valid event: from parsed JSON to the value of its Kafka record in one pass.

A function is generated for each event type, as `dataclasses` does: straight code without a call a field. It
answers None for whatever is not plainly valid (a violation, a coercion, a rarer type), and then the validator
and the codec decide: the two ways must give the same bytes, and a test holds them together.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

from etld.events import times
from etld.events.ids import is_canonical
from etld.events.limits import EXACT_DOUBLE, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, MAX_NAME
from etld.serdes.avro import wire
from etld.serdes.avro.varint import SMALL, SMALL_OPTIONAL, long

if TYPE_CHECKING:
    from etld.schemas.catalog import EventType
    from etld.schemas.tree import RecordField, Type
    from etld.serdes.base import DirectEncode


class _Rarer(Exception):
    """The schema has something that only the exact way knows."""


def text(value: str) -> bytes:
    """A string as Avro writes it; raises ValueError for what cannot be stored."""
    body = value.encode()
    if b"\0" in body:
        raise ValueError("NUL")
    return long(len(body)) + body


def compile_encoder(kind: EventType) -> DirectEncode | None:
    """The function for an event type, None when its schema has something that only the exact way knows.

    `kind` is registered.
    """
    assert kind.schema_id is not None
    zone = kind.zone
    scope: dict[str, Any] = {
        "header": wire.header(kind.schema_id),
        "long": long,
        "text": text,
        "canonical": is_canonical,
        "names": {name: text(name) for name in kind.event_names if 0 < len(name) <= MAX_NAME},
        "kind": kind.name,
        "kind_bytes": text(kind.name),
        "moment": times.parse_time if zone == "UTC" else lambda value: times.parse_time(value, zone),
        "clock": time.time,
        "double": struct.Struct("<d").pack,
        "missing": object(),
        "SMALL": SMALL,
        "SMALL_OPTIONAL": SMALL_OPTIONAL,
    }
    writer = _SourceWriter()
    try:
        writer.event(kind)
    except _Rarer:
        return None
    source = "def encode(e):\n" + "\n".join(f"    {line}" for line in writer.lines) + "\n"
    exec(compile(source, f"<etld {kind.name}>", "exec"), scope)  # noqa: S102 - made of the schema's tree alone
    made: DirectEncode = scope["encode"]
    return made


class _SourceWriter:
    """Writes the body of `encode`; each value becomes one expression in the final join."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._parts = ["header"]
        self._count = 0

    def event(self, kind: EventType) -> None:
        """All of it: `e` is the event."""
        fields = kind.schema.tree.fields
        self._line(f"if len(e) != {len(fields)}: return None")
        for field in fields:
            match field.name:
                case "event_id":
                    self._line("v = e['event_id']")
                    self._line("if type(v) is not str or not canonical(v): return None")
                    self._parts.append("b'\\x48'")  # 36, as Avro writes it
                    self._keep("v.encode()")
                case "event_name" if kind.event_names:
                    self._keep("names[e['event_name']]")
                case "event_name":
                    self._line("v = e['event_name']")
                    self._line(f"if type(v) is not str or not 0 < len(v) <= {MAX_NAME}: return None")
                    self._keep("text(v)")
                case "event_type":
                    self._line("if e['event_type'] != kind: return None")
                    self._parts.append("kind_bytes")
                case "triggered_at":
                    self._line("t = moment(e['triggered_at'])")
                    if kind.max_age:
                        self._line(f"if clock() - t / 1e6 > {kind.max_age!r}: return None")
                    if kind.max_ahead:
                        self._line(f"if t / 1e6 - clock() > {kind.max_ahead!r}: return None")
                    self._keep("long(t)")
                case _:
                    self._record(field, "e")
        self._line(f"return b''.join(({', '.join(self._parts)},))")

    def _record(self, field: RecordField, parent: str) -> None:
        if field.type.kind != "record":
            raise _Rarer
        name = self._name()
        self._line(f"{name} = {parent}[{field.name!r}]")
        self._line(f"if type({name}) is not dict: return None")
        counted = any(inner.default for inner in field.type.fields)
        required = sum(not inner.default for inner in field.type.fields)
        if counted:
            self._line(f"{name}n = {required}")
        else:
            self._line(f"if len({name}) != {required}: return None")
        for inner in field.type.fields:
            self._field(inner, name)
        if counted:
            self._line(f"if len({name}) != {name}n: return None")

    def _field(self, field: RecordField, parent: str) -> None:
        if field.default:
            # Only the usual form, null or something, null when it is missing.
            branches = field.type.branches
            if len(branches) != 2 or branches[0].kind != "null" or field.default[0] is not None:
                raise _Rarer
            out = self._name()
            absent = f"{out}, {out}b = b'\\0', b''" if branches[1].kind == "string" else f"{out} = b'\\0'"
            self._line(f"v = {parent}.get({field.name!r}, missing)")
            self._line(f"if v is missing: {absent}")
            self._line("else:")
            self._line(f"    {parent}n += 1")
            self._line(f"    if v is None: {absent}")
            self._line("    else:")
            self._scalar(branches[1], out, "        ", b"\x02")
            return
        if field.type.kind == "record":
            self._record(field, parent)
            return
        out = self._name()
        self._line(f"v = {parent}[{field.name!r}]")
        self._scalar(field.type, out, "", b"")

    def _scalar(self, of: Type, out: str, indent: str, branch: bytes) -> None:
        self._parts.append(out)
        endpoints = f"{branch!r} + " if branch else ""
        if of.logical:
            raise _Rarer
        match of.kind:
            case "string":
                # `text`, without a call.
                self._parts.append(f"{out}b")
                self._line(f"{indent}if type(v) is not str: return None")
                self._line(f"{indent}{out}b = v.encode()")
                self._line(f"{indent}n = len({out}b)")
                self._line(f"{indent}if n > 8191 or b'\\0' in {out}b: return None")
                self._line(f"{indent}{out} = {'SMALL_OPTIONAL' if branch else 'SMALL'}[n]")
            case "long":
                self._line(f"{indent}if type(v) is not int or not {INT64_MIN} <= v <= {INT64_MAX}: return None")
                self._line(f"{indent}{out} = {endpoints}(SMALL[v] if 0 <= v < 8192 else long(v))")
            case "int":
                self._line(f"{indent}if type(v) is not int or not {INT32_MIN} <= v <= {INT32_MAX}: return None")
                self._line(f"{indent}{out} = {endpoints}long(v)")
            case "double":
                self._line(f"{indent}if type(v) is int:")
                self._line(f"{indent}    if not {-EXACT_DOUBLE} <= v <= {EXACT_DOUBLE}: return None")
                self._line(f"{indent}elif type(v) is not float or v - v != 0.0: return None")
                self._line(f"{indent}{out} = {endpoints}double(v)")
            case "boolean":
                self._line(f"{indent}if type(v) is not bool: return None")
                self._line(f"{indent}{out} = {endpoints}(b'\\1' if v else b'\\0')")
            case _:
                raise _Rarer

    def _keep(self, expression: str) -> None:
        out = self._name()
        self._line(f"{out} = {expression}")
        self._parts.append(out)

    def _line(self, line: str) -> None:
        self.lines.append(line)

    def _name(self) -> str:
        self._count += 1
        return f"x{self._count}"
