"""Avro bytes to events and back: one by one (`codec`) and a batch at a time (`columnar`)."""

from etld.avro.errors import DecodeError, UnknownSchema
from etld.avro.schema import EventSchema, SchemaError

__all__ = ["DecodeError", "EventSchema", "SchemaError", "UnknownSchema"]
