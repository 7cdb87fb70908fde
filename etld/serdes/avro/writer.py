"""Writers compiled from a schema: one closure a type, `write(value, out)`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etld.events.limits import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN
from etld.serdes.avro.varint import FEW, SMALL, long

if TYPE_CHECKING:
    from etld.schemas.tree import Type

Write = Callable[[Any, bytearray], None]

_FLOAT = struct.Struct("<f").pack
_DOUBLE = struct.Struct("<d").pack


def compile_writer(of: Type) -> Write | None:
    """The writer of a type; None where it takes more than the value to know the branch of a union."""
    if of.kind == "record":
        parts = [(f.name, compile_writer(f.type)) for f in of.fields]
        known = [(name, write) for name, write in parts if write is not None]
        return _record(known) if len(known) == len(parts) else None
    if of.kind == "union":
        inner = None if of.optional is None else compile_writer(of.optional)
        return None if inner is None else _optional(inner, null_first=of.branches[0].kind == "null")
    if of.items is not None:
        inner = compile_writer(of.items)
        if inner is None:
            return None
        return _array(inner) if of.kind == "array" else _map(inner)
    if of.kind == "enum":
        return _enum(of.symbols)
    return _SCALARS.get(of.kind)


def _record(parts: list[tuple[str, Write]]) -> Write:
    def write(value: Any, out: bytearray) -> None:
        for name, inner in parts:
            inner(value[name], out)

    return write


def _optional(inner: Write, *, null_first: bool) -> Write:
    null, other = (0, 2) if null_first else (2, 0)

    def write(value: Any, out: bytearray) -> None:
        if value is None:
            out.append(null)
        else:
            out.append(other)
            inner(value, out)

    return write


def _array(inner: Write) -> Write:
    def write(value: Any, out: bytearray) -> None:
        if value:
            out += long(len(value))
            for item in value:
                inner(item, out)
        out.append(0)

    return write


def _map(inner: Write) -> Write:
    def write(value: Any, out: bytearray) -> None:
        if value:
            out += long(len(value))
            for key, item in value.items():
                _string(key, out)
                inner(item, out)
        out.append(0)

    return write


def _enum(symbols: tuple[str, ...]) -> Write:
    index = {symbol: long(i) for i, symbol in enumerate(symbols)}

    def write(value: Any, out: bytearray) -> None:
        out += index[value]

    return write


def _string(value: Any, out: bytearray) -> None:
    raw = value.encode()
    size = len(raw)
    out += SMALL[size] if size < FEW else long(size)
    out += raw


def _long(value: Any, out: bytearray) -> None:
    if 0 <= value < FEW:
        out += SMALL[value]
    elif INT64_MIN <= value <= INT64_MAX:
        out += long(value)
    else:
        raise ValueError(f"{value} does not fit 64 bits")


def _int(value: Any, out: bytearray) -> None:
    if not INT32_MIN <= value <= INT32_MAX:
        raise ValueError(f"{value} does not fit 32 bits")
    out += long(value)


def _double(value: Any, out: bytearray) -> None:
    out += _DOUBLE(value)


def _float(value: Any, out: bytearray) -> None:
    out += _FLOAT(value)


def _boolean(value: Any, out: bytearray) -> None:
    if value is not True and value is not False:
        raise TypeError(f"{value!r} is no boolean")
    out.append(value)


def _null(value: Any, _out: bytearray) -> None:
    if value is not None:
        raise TypeError(f"{value!r} is not null")


_SCALARS: dict[str, Write] = {
    "string": _string,
    "long": _long,
    "int": _int,
    "double": _double,
    "float": _float,
    "boolean": _boolean,
    "null": _null,
}
