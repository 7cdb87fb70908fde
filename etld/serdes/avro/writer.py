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


def compile_writer(of: Type) -> Write:
    """The writer of a type."""
    if of.kind == "record":
        return _record([(f.name, compile_writer(f.type)) for f in of.fields])
    if of.kind == "union":
        return _union(of)
    if of.items is not None:
        inner = compile_writer(of.items)
        return _array(inner) if of.kind == "array" else _map(inner)
    if of.kind == "enum":
        return _enum(of.symbols)
    if of.logical == "decimal":
        return _decimal(of.scale, of.size if of.kind == "fixed" else None)
    return _SCALARS[of.kind]


def _record(parts: list[tuple[str, Write]]) -> Write:
    def write(value: Any, out: bytearray) -> None:
        for name, inner in parts:
            inner(value[name], out)

    return write


def _union(of: Type) -> Write:
    writes = [compile_writer(branch) for branch in of.branches]
    kinds = [branch.kind for branch in of.branches]
    null = long(kinds.index("null")) if "null" in kinds else None
    if of.several:
        return _several(writes, null)
    only = next((i for i, kind in enumerate(kinds) if kind != "null"), 0)
    return _one(writes[only], long(only), null)


def _one(inner: Write, index: bytes, null: bytes | None) -> Write:
    """A union of one type, and perhaps null."""

    def write(value: Any, out: bytearray) -> None:
        if value is None and null is not None:
            out += null
        else:
            out += index
            inner(value, out)

    return write


def _several(writes: list[Write], null: bytes | None) -> Write:
    indexes = [long(i) for i in range(len(writes))]

    def write(value: Any, out: bytearray) -> None:
        if value is None and null is not None:
            out += null
        else:
            out += indexes[value.branch]
            writes[value.branch](value.value, out)

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


def _decimal(scale: int, size: int | None) -> Write:
    def write(value: Any, out: bytearray) -> None:
        sign, digits, exponent = value.as_tuple()
        number = int("".join(map(str, digits))) * 10 ** max(0, exponent + scale)
        if exponent + scale < 0:
            number, rest = divmod(number, 10 ** -(exponent + scale))
            if rest:
                raise ValueError(f"{value} has more than {scale} digits behind the point")
        raw = (-number if sign else number).to_bytes(size or number.bit_length() // 8 + 1, signed=True)
        out += raw if size is not None else long(len(raw)) + raw

    return write


def _bytes(value: Any, out: bytearray) -> None:
    out += long(len(value))
    out += value


def _fixed(value: Any, out: bytearray) -> None:
    out += value


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
    "bytes": _bytes,
    "fixed": _fixed,
}
