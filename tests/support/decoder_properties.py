"""What must hold of the two decoders of Avro, and of what they share, for any schema and any records.

The unit tests ask each with some examples, the contract tests with many.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import fastavro
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etld.schemas.event_schema import EventSchema
from etld.schemas.registry import UnknownSchema
from etld.schemas.tree import Type
from etld.serdes import json_text
from etld.serdes.avro import batch_scan, columnar, wire
from etld.serdes.avro.codec import codec_of
from etld.serdes.avro.columnar_plan import plan
from etld.serdes.base import DecodedBatch
from etld.serdes.columns import RANGES
from support.event_schemas import columnar_schemas, schemas, values, versions

Batch = tuple[list[bytes | None], dict[int, EventSchema]]
Property = tuple[Callable[..., None], tuple[st.SearchStrategy[Any], ...]]
_ID = 7
# Even one record goes the columnar way.
_COLUMNAR = columnar.Limits(0, 1)


def holds(name: str, examples: int) -> None:
    """Try a property of PROPERTIES with so many examples."""
    check, strategies = PROPERTIES[name]
    limited = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    limited(given(*strategies)(check))()


def _both(batch: list[bytes | None], by_id: dict[int, EventSchema]) -> tuple[DecodedBatch, DecodedBatch]:
    def schema_for(schema_id: int) -> EventSchema:
        if schema_id not in by_id:
            raise UnknownSchema(schema_id)
        return by_id[schema_id]

    return columnar.decode(batch, schema_for, _COLUMNAR), columnar.decode(batch, schema_for, columnar.EXACT)


def agree(made: Batch) -> None:
    """Equal frames of equal types, the same bad records for the same reasons, and no record lost."""
    batch, by_id = made
    quick, exact = _both(batch, by_id)
    assert quick.bad == exact.bad
    assert [frame.schema for frame in quick.frames] == [frame.schema for frame in exact.frames]
    assert len(quick.frames) == len(exact.frames)
    assert all(one.equals(other) for one, other in zip(quick.frames, exact.frames, strict=True))
    rows = [row for frame in quick.frames for row in frame["row"].to_list()]
    assert sorted([*rows, *(bad.row for bad in quick.bad)]) == list(range(len(batch)))


@st.composite
def _good(draw: st.DrawFn, found: st.SearchStrategy[list[EventSchema]]) -> tuple[list[bytes], dict[int, EventSchema]]:
    by_id = dict(enumerate(draw(found), _ID))
    batch = []
    for _ in range(draw(st.integers(1, 8))):
        schema_id = draw(st.sampled_from(sorted(by_id)))
        schema = by_id[schema_id]
        batch.append(wire.pack(schema_id, codec_of(schema).encode(draw(values(schema.tree)))))
    return batch, by_id


@st.composite
def _corrupted(draw: st.DrawFn, found: st.SearchStrategy[list[EventSchema]]) -> Batch:
    made, by_id = draw(_good(found))
    batch: list[bytes | None] = list(made)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(batch) - 1))
        value = batch[at] or b""
        last = max(0, len(value) - 1)
        # The details, where unions and enums are, come last.
        place = draw(st.integers(0, last) | st.integers(max(0, last - 12), last))
        batch[at] = draw(
            st.sampled_from(
                [
                    value + b"\0\0",
                    value[:place],
                    value + made[0],
                    value[:place] + bytes([value[place] ^ 1 << draw(st.integers(0, 7))]) + value[place + 1 :]
                    if value
                    else value,
                    value[:place] + draw(st.binary(max_size=4)) + value[place:],
                    # An integer in a byte more than it needs; another union branch, boolean or symbol.
                    value[:place] + bytes([value[place] | 0x80, 0]) + value[place + 1 :] if value else value,
                    value[:place] + bytes([draw(st.integers(0, 8))]) + value[place + 1 :],
                    value[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + value[5:],
                    value[:place] + value[place + 1 :],
                    None,
                    b"",
                    b'{"event_id": 1}',
                ]
            )
        )
    return batch, by_id


def suspects_the_broken_and_no_other(made: tuple[list[bytes], dict[int, EventSchema]], data: st.DataObject) -> None:
    """Good records all fit their schema; one that was cut, or has bytes too many, does not."""
    batch, by_id = made
    tree = by_id[_ID].tree
    assert plan(tree) is not None
    assert batch_scan.misfits(tree, batch) == []
    at = data.draw(st.integers(0, len(batch) - 1))
    if len(batch[at]) > wire.HEADER and data.draw(st.booleans()):
        batch[at] = batch[at][: data.draw(st.integers(wire.HEADER, len(batch[at]) - 1))]
    else:
        batch[at] += data.draw(st.binary(min_size=1, max_size=20))
    assert batch_scan.misfits(tree, batch) == ([] if batch_scan._has_array(tree) else [at])


def suspects_are_bad(made: Batch) -> None:
    """Whatever happened to the records: none is read by itself for nothing."""
    batch, by_id = made
    mine = [value for value in batch if value is not None and value[: wire.HEADER] == wire.header(_ID)]
    assert plan(by_id[_ID].tree) is not None
    _, exact = _both([*mine], by_id)
    assert set(batch_scan.misfits(by_id[_ID].tree, mine)) <= {bad.row for bad in exact.bad}


def decode_and_encode_are_inverse(made: tuple[list[bytes], dict[int, EventSchema]]) -> None:
    """What was decoded encodes to the same bytes, the branches of unions among them."""
    batch, by_id = made
    for value in batch:
        _, body = wire.unpack(value)
        assert codec_of(by_id[_ID]).encode(codec_of(by_id[_ID]).decode(body)) == body


def writes_what_fastavro_writes(data: st.DataObject) -> None:
    """Byte for byte; but for unions of several types, where fastavro chooses the branch itself."""
    schema = data.draw(schemas().filter(lambda schema: not _has_several(schema.tree)))
    event = data.draw(values(schema.tree))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(json.loads(schema.text)), event)
    assert codec_of(schema).encode(event) == buffer.getvalue()


def json_is_what_a_client_sent(data: st.DataObject) -> None:
    """What a frame is as JSON is what the exact decoder says in JSON, whatever lies in whatever."""
    schema = data.draw(schemas().filter(lambda schema: not _has_time(schema.tree.fields[5].type)))
    events = data.draw(st.lists(values(schema.tree).map(_without_time), min_size=1, max_size=4))
    codec = codec_of(schema)
    batch = [wire.pack(_ID, codec.encode(event)) for event in events]
    quick, exact = _both([*batch], {_ID: schema})
    for frame in [*quick.frames, *exact.frames]:
        if not frame.height:
            continue
        texts = json_text.column(frame["event_details"]).to_list()
        for row, text in zip(frame["row"].to_list(), texts, strict=True):
            said = codec.to_json(events[row])["event_details"]
            assert _numbers_alike(None if text is None else json.loads(text)) == _numbers_alike(said)


def _has_time(of: Type) -> bool:
    # Polars writes a time in its own way.
    return of.logical in RANGES or any(map(_has_time, of.below()))


def _without_time(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"triggered_at": 0}


def _numbers_alike(value: Any) -> Any:
    """With NaN and infinity as null, which is what JSON has of them."""
    if isinstance(value, dict):
        return {key: _numbers_alike(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_alike(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _has_several(of: Type) -> bool:
    return of.several or any(map(_has_several, of.below()))


_columnar = columnar_schemas().map(lambda schema: [schema])

PROPERTIES: dict[str, Property] = {
    "any schema and any records": (agree, (_good(versions(1)),)),
    "several versions in one batch": (agree, (_good(versions(3)),)),
    "any corruption": (agree, (_corrupted(versions(1) | versions(2)),)),
    "any corruption of what is read columnar": (agree, (_corrupted(_columnar),)),
    "the scan suspects the broken and no other": (suspects_the_broken_and_no_other, (_good(_columnar), st.data())),
    "whom the scan suspects is bad": (suspects_are_bad, (_corrupted(_columnar),)),
    "decode and encode are inverse": (decode_and_encode_are_inverse, (_good(versions(1)),)),
    "JSON is what a client sent": (json_is_what_a_client_sent, (st.data(),)),
    "the compiled writer writes what fastavro writes": (writes_what_fastavro_writes, (st.data(),)),
}
