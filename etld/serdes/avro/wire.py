"""Which schema a record was written with: in front of its body, or in a header of the record.

Confluent: a zero byte and the schema id in four bytes. Apicurio's older producers: the same with eight bytes; no
registry gives the id 0, so that four zero bytes are the first half of such an id. Confluent's newer framing: a byte
1 and the GUID of the schema in 16 bytes, in a header of the record, or in front of the body too.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from etld.schemas.reference import LongId
from etld.serdes.base import DecodeError

if TYPE_CHECKING:
    from etld.schemas.reference import SchemaRef

#: The record header that names the schema of a value, in either of Confluent's forms.
SCHEMA_HEADER = "__value_schema_id"
MAGIC, GUID_MAGIC = b"\0", b"\1"
#: How many bytes stand in front of a body: with an id, with a long one, with a GUID.
HEADER, LONG_HEADER, GUID_HEADER = 5, 9, 17
#: The first bytes of a long id, when it is no longer than any that was ever given.
LONG = bytes(HEADER)
_JSON_STARTS = b'{["'


def header(schema_id: int) -> bytes:
    """The five bytes in front of a body."""
    return MAGIC + schema_id.to_bytes(4)


def pack(schema_id: int, body: bytes) -> bytes:
    """A Kafka value."""
    return header(schema_id) + body


def unpack(value: bytes) -> tuple[SchemaRef, bytes]:
    """(what names the schema, body) of a Kafka value; raises `DecodeError`."""
    problem = refusal(value)
    if problem is not None:
        raise problem
    head = value[: head_size(value)]
    return reference(head), value[len(head) :]


def head_size(value: bytes) -> int:
    """How many bytes stand in front of the body of a value that is not refused."""
    if value[:1] == GUID_MAGIC:
        return GUID_HEADER
    return LONG_HEADER if value[:HEADER] == LONG else HEADER


def reference(head: bytes) -> SchemaRef:
    """What names the schema in the bytes in front of a body."""
    if len(head) == GUID_HEADER:
        return UUID(bytes=head[1:])
    number = int.from_bytes(head[1:])
    return LongId(number) if len(head) == LONG_HEADER else number


def framed(value: bytes, head: bytes) -> bytes:
    """A value with the header of its record in front, as `reference` reads it; raises `DecodeError`."""
    if len(head) == {GUID_MAGIC: GUID_HEADER, MAGIC: HEADER}.get(head[:1]):
        return head + value
    raise DecodeError(
        "BadSchemaHeader",
        f"the record's header {SCHEMA_HEADER} is neither 0x01 with a GUID of 16 bytes nor 0x00 with an id of 4 bytes,"
        f" but {head[:20].hex() or 'empty'}",
    )


def refusal(value: bytes | None) -> DecodeError | None:
    """Why a value has nothing that names its schema; None when it has."""
    if value is None:
        return DecodeError("Tombstone", "the record has no value (a tombstone); an event is due here")
    if not value:
        return DecodeError("EmptyValue", "the value is empty; 5 bytes of header and an Avro body are due")
    if value[:1] in (MAGIC, GUID_MAGIC):
        size = head_size(value)
        if len(value) >= size:
            return None
        return DecodeError("TooShort", f"the value has {len(value)} bytes; the header alone takes {size}")
    if value.lstrip()[:1] in _JSON_STARTS and value.lstrip():
        return DecodeError(
            "JsonInsteadOfAvro",
            "the value is JSON; Avro in Confluent's wire format is due. Send events to POST /track, or use a"
            " serializer that knows the schema registry",
        )
    return DecodeError(
        "BadMagicByte",
        f"the value begins with byte 0x{value[0]:02x}; Confluent's wire format begins with 0x00, or the record has the"
        f" header {SCHEMA_HEADER}",
    )
