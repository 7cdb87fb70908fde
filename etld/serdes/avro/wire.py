"""Confluent's wire format: a zero byte, the schema id in four bytes, the Avro body.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

from __future__ import annotations

from etld.serdes.base import DecodeError

MAGIC = b"\0"
HEADER = 5
_JSON_STARTS = b'{["'


def header(schema_id: int) -> bytes:
    """The five bytes in front of a body."""
    return MAGIC + schema_id.to_bytes(4)


def pack(schema_id: int, body: bytes) -> bytes:
    """A Kafka value."""
    return header(schema_id) + body


def unpack(value: bytes) -> tuple[int, bytes]:
    """(schema id, body) of a Kafka value; raises `DecodeError`."""
    problem = refusal(value)
    if problem is not None:
        raise problem
    return int.from_bytes(value[1:HEADER]), value[HEADER:]


def refusal(value: bytes | None) -> DecodeError | None:
    """Why a value has no wire format header; None when it has one."""
    if value is None:
        return DecodeError("Tombstone", "the record has no value (a tombstone); an event is due here")
    if value[:1] == MAGIC and len(value) >= HEADER:
        return None
    if not value:
        return DecodeError("EmptyValue", "the value is empty; 5 bytes of header and an Avro body are due")
    if value[:1] == MAGIC:
        return DecodeError("TooShort", f"the value has {len(value)} bytes; the header alone takes {HEADER}")
    if value.lstrip()[:1] in _JSON_STARTS and value.lstrip():
        return DecodeError(
            "JsonInsteadOfAvro",
            "the value is JSON; Avro in Confluent's wire format is due. Send events to POST /track, or use a"
            " serializer that knows the schema registry",
        )
    return DecodeError(
        "BadMagicByte",
        f"the value begins with byte 0x{value[0]:02x}; Confluent's wire format begins with 0x00",
    )
