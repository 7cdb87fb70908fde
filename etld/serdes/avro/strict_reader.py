"""A reader that refuses what is not exactly an Avro body of its schema, and says where it is not."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etld.events.limits import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN
from etld.events.union import BranchValue
from etld.serdes.base import DecodeError

if TYPE_CHECKING:
    from etld.schemas.tree import Type

_FLOAT = struct.Struct("<f").unpack_from
_DOUBLE = struct.Struct("<d").unpack_from


def read(of: Type, data: bytes) -> Any:
    """The value whose body is exactly `data`; raises `DecodeError`.

    Times are integers as on the wire, decimals `Decimal`. Nothing is allocated on the word of a length
    that the bytes do not back.
    """
    reader = _BodyReader(data)
    value = reader.value(of, "")
    if reader.at != len(data):
        raise DecodeError("TrailingBytes", f"{len(data) - reader.at} bytes are left after the last field")
    return value


class _BodyReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def value(self, of: Type, path: str) -> Any:
        kind = of.kind
        if kind == "record":
            return {f.name: self.value(f.type, f"{path}.{f.name}" if path else f.name) for f in of.fields}
        if kind == "string":
            return self._text(path)
        if kind in ("long", "int"):
            return self._int(path, small=kind == "int")
        if kind == "union":
            index = self._index(len(of.branches), path, "union")
            value = self.value(of.branches[index], path)
            return BranchValue(index, value) if value is not None and of.several else value
        if of.items is not None:
            return self._blocks(of, of.items, path)
        return self._scalar(of, path)

    def _scalar(self, of: Type, path: str) -> Any:
        """A value with nothing inside, other than texts and integers, which most are."""
        kind = of.kind
        if kind == "double":
            return _DOUBLE(self._take(8, path))[0]
        if kind == "float":
            return _FLOAT(self._take(4, path))[0]
        if kind == "boolean":
            return self._boolean(path)
        if kind == "null":
            return None
        if kind == "enum":
            return of.symbols[self._index(len(of.symbols), path, "enum")]
        raw = self._take(of.size if kind == "fixed" else self._length(path), path)
        return _decimal(of, raw, path) if of.logical == "decimal" else raw

    def _take(self, count: int, path: str) -> bytes:
        end = self.at + count
        if end > len(self._data):
            left = len(self._data) - self.at
            raise DecodeError("Truncated", f"{path}: {count} bytes are due, {left} are left")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _int(self, path: str, *, small: bool = False) -> int:
        number = shift = 0
        while True:
            byte = self._take(1, path)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 63:
                raise DecodeError("BadVarint", f"{path}: an integer of more than 10 bytes")
        value = (number >> 1) ^ -(number & 1)
        low, high = (INT32_MIN, INT32_MAX) if small else (INT64_MIN, INT64_MAX)
        if not low <= value <= high:
            raise DecodeError("BadVarint", f"{path}: {value} does not fit {'32' if small else '64'} bits")
        return value

    def _length(self, path: str) -> int:
        length = self._int(path)
        left = len(self._data) - self.at
        if not 0 <= length <= left:
            raise DecodeError("BadLength", f"{path}: a length of {length}, and {left} bytes are left")
        return length

    def _text(self, path: str) -> str:
        raw = self._take(self._length(path), path)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("InvalidUtf8", f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None

    def _boolean(self, path: str) -> bool:
        byte = self._take(1, path)[0]
        if byte > 1:
            raise DecodeError("BadBoolean", f"{path}: a boolean is 0 or 1, not {byte}")
        return byte == 1

    def _index(self, count: int, path: str, what: str) -> int:
        index = self._int(path)
        if not 0 <= index < count:
            error_class = "BadUnionIndex" if what == "union" else "BadEnumIndex"
            raise DecodeError(error_class, f"{path}: {what} index {index}, known are 0 to {count - 1}")
        return index

    def _blocks(self, of: Type, inner: Type, path: str) -> Any:
        items: list[Any] = []
        below = f"{path}[]"
        while count := self._int(path):
            if count < 0:
                count = -count
                self._int(path)
            # Every item takes a byte at least (schemas with items of none are refused).
            if count > len(self._data) - self.at:
                raise DecodeError("BadLength", f"{path}: {count} items, and {len(self._data) - self.at} bytes left")
            for _ in range(count):
                key = self._text(path) if of.kind == "map" else None
                value = self.value(inner, below)
                items.append(value if key is None else (key, value))
        return dict(items) if of.kind == "map" else items


def _decimal(of: Type, raw: bytes, path: str) -> Decimal:
    number = int.from_bytes(raw, signed=True) if len(raw) <= of.precision + 16 else 10**of.precision
    if abs(number) >= 10**of.precision:
        raise DecodeError("BadDecimal", f"{path}: more than {of.precision} digits")
    digits = tuple(map(int, str(abs(number))))
    return Decimal((number < 0, digits, -of.scale))
