"""Avro bytes to events and back: one by one (`codec`) and a batch at a time (`columnar`)."""

from etld.schemas.event_schema import EventSchema, SchemaError
from etld.serdes.errors import DecodeError, UnknownSchema

__all__ = ["DecodeError", "EventSchema", "SchemaError", "UnknownSchema"]
