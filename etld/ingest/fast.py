"""The short way of a plainly valid event: from parsed JSON to its Avro body in one pass.

A function is generated for each schema, as `dataclasses` does: straight code without a call a field. It
answers None for whatever is not plainly valid (a violation, a coercion, a rarer type), and then
`Validator` and `codec.encode` decide: the two ways must give the same bytes, and a test holds them together.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from etld.events import times
from etld.events.ids import is_canonical
from etld.events.limits import EXACT_DOUBLE, MAX_NAME
from etld.schemas.tree import parse as parse_tree

if TYPE_CHECKING:
    from etld.schemas.tree import Field, Type

#: An event to its Avro body, or None; raises KeyError, TypeError, ValueError or AttributeError likewise.
Fast = Callable[[dict[str, Any]], bytes | None]


def varint(value: int) -> bytes:
    """A long as Avro writes it: zigzag, seven bits a byte."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


#: The lengths and numbers that come all the time; with the index of the second branch of a union before them.
_SMALL = [varint(number) for number in range(8192)]
_SMALL_OPTIONAL = [b"\x02" + number for number in _SMALL]


def long(value: int) -> bytes:
    """`varint`, faster for small ones; unrolled, since a loop costs twice as much."""
    if 0 <= value < 8192:
        return _SMALL[value]
    z = (value << 1) ^ (value >> 63)
    if z < 1 << 21:
        return bytes((z & 127 | 128, z >> 7 & 127 | 128, z >> 14)) if z >= 1 << 14 else varint(value)
    if 1 << 49 <= z < 1 << 56:  # microseconds since 1970, from 1978 to 2541
        return bytes(
            (
                z & 127 | 128,
                z >> 7 & 127 | 128,
                z >> 14 & 127 | 128,
                z >> 21 & 127 | 128,
                z >> 28 & 127 | 128,
                z >> 35 & 127 | 128,
                z >> 42 & 127 | 128,
                z >> 49,
            )
        )
    return varint(value)


def text(value: str) -> bytes:
    """A string as Avro writes it; raises ValueError for what cannot be stored."""
    body = value.encode()
    if b"\0" in body:
        raise ValueError("NUL")
    size = len(body)
    return (_SMALL[size] if size < 8192 else varint(size)) + body


def compile_event(
    raw: Mapping[str, Any],
    event_type: str,
    event_names: tuple[str, ...],
    zone: str,
    max_age: float = 0,
    max_ahead: float = 0,
) -> Fast | None:
    """The function for one schema, or None when the schema has something that only the exact way knows."""
    tree = parse_tree(dict(raw))
    names = {name: text(name) for name in event_names if 0 < len(name) <= MAX_NAME}
    lines: list[str] = []
    scope: dict[str, Any] = {
        "long": long,
        "text": text,
        "canonical": is_canonical,
        "names": names,
        "kind": event_type,
        "kind_bytes": text(event_type),
        "moment": times.parse_time if zone == "UTC" else lambda value: times.parse_time(value, zone),
        "clock": time.time,
        "double": struct.Struct("<d").pack,
        "missing": object(),
        "SMALL": _SMALL,
        "SMALL_OPTIONAL": _SMALL_OPTIONAL,
    }
    writer = _Writer(lines, scope)
    try:
        writer.event(tree, bool(event_names), max_age, max_ahead)
    except NotImplementedError:
        return None
    source = "def fast(e):\n" + "\n".join(f"    {line}" for line in lines) + "\n"
    exec(compile(source, f"<etld {event_type}>", "exec"), scope)  # noqa: S102 - made of the schema's tree alone
    made: Fast = scope["fast"]
    return made


class _Writer:
    """Writes the body of `fast`; each value becomes one expression in the final join."""

    def __init__(self, lines: list[str], scope: dict[str, Any]) -> None:
        self._lines = lines
        self._scope = scope
        self._parts: list[str] = []
        self._count = 0

    def event(self, tree: Type, named: bool, max_age: float, max_ahead: float) -> None:
        """All of it: `e` is the event."""
        self._line("if len(e) != 6: return None")
        for field in tree.fields:
            match field.name:
                case "event_id":
                    self._line("v = e['event_id']")
                    self._line("if type(v) is not str or not canonical(v): return None")
                    self._parts.append("b'\\x48'")  # 36, as Avro writes it
                    self._keep("v.encode()")
                case "event_name" if named:
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
                    if max_age:
                        self._line(f"if clock() - t / 1e6 > {max_age!r}: return None")
                    if max_ahead:
                        self._line(f"if t / 1e6 - clock() > {max_ahead!r}: return None")
                    self._keep("long(t)")
                case _:
                    self._record(field, "e")
        self._line(f"return b''.join(({', '.join(self._parts)},))")

    def _record(self, field: Field, parent: str) -> None:
        if field.type.kind != "record":
            raise NotImplementedError
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

    def _field(self, field: Field, parent: str) -> None:
        if field.default:
            # Only the usual form, null or something, null when it is missing.
            branches = field.type.branches
            if len(branches) != 2 or branches[0].kind != "null" or field.default[0] is not None:
                raise NotImplementedError
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
            raise NotImplementedError
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
                self._line(f"{indent}if type(v) is not int or not {-(2**63)} <= v <= {2**63 - 1}: return None")
                self._line(f"{indent}{out} = {endpoints}(SMALL[v] if 0 <= v < 8192 else long(v))")
            case "int":
                self._line(f"{indent}if type(v) is not int or not {-(2**31)} <= v <= {2**31 - 1}: return None")
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
                raise NotImplementedError

    def _keep(self, expression: str) -> None:
        out = self._name()
        self._line(f"{out} = {expression}")
        self._parts.append(out)

    def _line(self, line: str) -> None:
        self._lines.append(line)

    def _name(self) -> str:
        self._count += 1
        return f"x{self._count}"
