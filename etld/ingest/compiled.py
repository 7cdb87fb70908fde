"""An event type made ready for the hot path: what it is asked for once an event stands in plain attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.schemas.checks import validator
from etld.serdes import formats

if TYPE_CHECKING:
    from etld.events.validate import Validator
    from etld.schemas.catalog import EventType
    from etld.serdes.base import DirectEncode, Encode


@dataclass(frozen=True, slots=True)
class CompiledType:
    """One event type; `direct` is the short way of plainly valid events, where there is one."""

    name: str
    topic: str
    accept: bool
    sample: Mapping[str, float]
    keeps: Callable[[str, str], bool]
    validator: Validator
    encode: Encode
    direct: DirectEncode | None


def compile_type(kind: EventType) -> CompiledType:
    """Of a registered event type."""
    if kind.schema_id is None:
        raise EtldError(f"the schema of event type {kind.name} is not registered", code="ETLD-R006")
    written = formats.written()
    return CompiledType(
        kind.name,
        kind.topic,
        kind.accept,
        kind.sample,
        kind.keeps,
        validator(kind),
        written.encoder(kind.schema, kind.schema_id),
        # A sample is taken by what the validator gives.
        None if kind.sample else written.direct_encoder(kind),
    )
