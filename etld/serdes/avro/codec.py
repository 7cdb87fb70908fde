"""One event to its Avro body and back, exactly."""

from __future__ import annotations

import io
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import fastavro

from etld.serdes.as_json import as_json
from etld.serdes.avro import strict_reader
from etld.serdes.avro.bare_schema import bare
from etld.serdes.avro.writer import compile_writer

if TYPE_CHECKING:
    from etld.schemas.event_schema import EventSchema
    from etld.schemas.tree import Type
    from etld.serdes.base import Encode

# More schemas than this are not in use at once.
_KEPT = 256


class AvroCodec:
    """Writes and reads the bodies of one schema.

    Events are as `Validator` gives them: times are integers, decimals `Decimal`, unions of several types `BranchValue`.
    """

    def __init__(self, schema: EventSchema) -> None:
        self._tree = schema.tree
        self._write = compile_writer(schema.tree)
        # fastavro reads a decimal as its bytes, and does not tell the branch of a union.
        self._leniently = not _has_own_form(schema.tree)

    @cached_property
    def _plain(self) -> Any:
        """For fastavro's reader, without logical types: values are what is on the wire."""
        return fastavro.parse_schema(bare(self._tree))

    def encode(self, event: dict[str, Any]) -> bytes:
        """The body of an event.

        Raises TypeError, ValueError, AttributeError or LookupError for a dict that is no such event.
        """
        out = bytearray()
        self._write(event, out)
        return bytes(out)

    def value_encoder(self, header: bytes) -> Encode:
        """As `encode`, with a header in front of each body."""
        write = self._write

        def encode(event: dict[str, Any]) -> bytes:
            out = bytearray(header)
            write(event, out)
            return bytes(out)

        return encode

    def decode(self, body: bytes) -> dict[str, Any]:
        """The event of a body, in the form that `encode` takes; raises `DecodeError` with the field."""
        value: dict[str, Any]
        if self._leniently:
            # fastavro is fast and lenient: believed when it writes the very same bytes again.
            try:
                value = fastavro.schemaless_reader(io.BytesIO(body), self._plain)  # type: ignore[assignment]
                if self.encode(value) == body:
                    return value
            except Exception:  # noqa: S110  # whatever it trips over, the strict reader says it in words
                pass
        value = strict_reader.read(self._tree, body)
        return value

    def to_json(self, event: dict[str, Any]) -> dict[str, Any]:
        """A decoded event as a client would send it: times as RFC 3339, decimals as text.

        A time that has no such text stays an integer.
        """
        plain: dict[str, Any] = as_json(self._tree, event)
        return plain


@lru_cache(_KEPT)
def codec_of(schema: EventSchema) -> AvroCodec:
    """The codec of a schema, made once."""
    return AvroCodec(schema)


def _has_own_form(of: Type) -> bool:
    return of.logical == "decimal" or of.several or any(map(_has_own_form, of.below()))
