"""Avro in Confluent's wire format, as `etld.serdes.base.Format` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.serdes import foreign
from etld.serdes.avro import direct, wire
from etld.serdes.avro.codec import codec_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.schemas.catalog import EventType
    from etld.schemas.event_schema import EventSchema
    from etld.schemas.reference import SchemaRef
    from etld.serdes.base import DecodedBatch, DirectEncode, Encode, SchemaFor


class AvroFormat:
    """What names the schema (see `wire`), and the Avro body."""

    def recognises(self, value: bytes) -> bool:
        """See `Format`."""
        return value[:1] in (wire.MAGIC, wire.GUID_MAGIC)

    def schema_ref(self, value: bytes) -> SchemaRef:
        """See `Format`."""
        return wire.unpack(value)[0]

    def framed(self, value: bytes, header: bytes) -> bytes:
        """See `Format`."""
        return wire.framed(value, header)

    def encoder(self, schema: EventSchema, schema_id: int) -> Encode:
        """See `Format`."""
        return codec_of(schema).value_encoder(wire.header(schema_id))

    def direct_encoder(self, kind: EventType) -> DirectEncode | None:
        """See `Format`."""
        return direct.compile_encoder(kind)

    def decode(self, schema: EventSchema, value: bytes) -> dict[str, Any]:
        """See `Format`."""
        codec = codec_of(schema)
        return foreign.resolved(schema, codec.to_json(codec.decode(wire.unpack(value)[1])))

    def decode_batch(
        self, values: Sequence[bytes | None], schema_for: SchemaFor, headers: Mapping[int, bytes]
    ) -> DecodedBatch:
        """See `Format`."""
        # Late: ingest, which decodes nothing, needs no Polars.
        from etld.serdes.avro import columnar

        return columnar.decode(values, schema_for, headers=headers)
