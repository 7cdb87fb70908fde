"""The columnar way and the exact way agree: on every frame, and on every refusal."""

from __future__ import annotations

import io

import fastavro
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from etld.serdes.avro import EventSchema, UnknownSchema, batch_scan, codec, columnar, wire
from support.event_schemas import schemas, values
from support.event_schemas import versions as versions_of

_SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def always_columnar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let even one record go the columnar way."""
    monkeypatch.setattr(columnar, "SMALL", 0)
    monkeypatch.setattr(columnar, "_LEAST", 1)


def _both(batch: list[bytes | None], by_id: dict[int, EventSchema]) -> tuple[columnar.Decoded, columnar.Decoded]:
    def schema_for(schema_id: int) -> EventSchema:
        if schema_id not in by_id:
            raise UnknownSchema(schema_id)
        return by_id[schema_id]

    return columnar.decode(batch, schema_for), columnar.decode(batch, schema_for, exact=True)


def _agree(batch: list[bytes | None], by_id: dict[int, EventSchema]) -> columnar.Decoded:
    quick, exact = _both(batch, by_id)
    assert quick.bad == exact.bad
    assert [frame.schema for frame in quick.frames] == [frame.schema for frame in exact.frames]
    assert len(quick.frames) == len(exact.frames)
    assert all(one.equals(other) for one, other in zip(quick.frames, exact.frames, strict=True))
    rows = [row for frame in quick.frames for row in frame["row"].to_list()]
    assert sorted([*rows, *(bad.row for bad in quick.bad)]) == list(range(len(batch)))
    return quick


@st.composite
def _good(draw: st.DrawFn, versions: int = 1) -> tuple[list[bytes], dict[int, EventSchema]]:
    by_id = dict(enumerate(draw(versions_of(versions)), 7))
    batch = []
    for _ in range(draw(st.integers(1, 8))):
        schema_id = draw(st.sampled_from(sorted(by_id)))
        schema = by_id[schema_id]
        batch.append(wire.pack(schema_id, codec.encode(schema, draw(values(schema.tree)))))
    return batch, by_id


@_SETTINGS
@given(_good())
def test_any_schema_and_any_records(made: tuple[list[bytes], dict[int, EventSchema]]) -> None:
    """Whatever the schema and the records: equal frames, equal types."""
    _agree(*made)


@_SETTINGS
@given(_good(versions=3))
def test_several_versions_in_one_batch(made: tuple[list[bytes], dict[int, EventSchema]]) -> None:
    """Fields that a version lacks are null, and types that differ stay apart, the same both ways."""
    _agree(*made)


@st.composite
def _corrupted(draw: st.DrawFn) -> tuple[list[bytes | None], dict[int, EventSchema]]:
    made, by_id = draw(_good(versions=draw(st.integers(1, 2))))
    batch: list[bytes | None] = list(made)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(batch) - 1))
        value = batch[at] or b""
        place = draw(st.integers(0, max(0, len(value) - 1)))
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
                    value[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + value[5:],
                    value[:place] + value[place + 1 :],
                    None,
                    b"",
                    b'{"event_id": 1}',
                ]
            )
        )
    return batch, by_id


@_SETTINGS
@given(_corrupted())
def test_any_corruption(made: tuple[list[bytes | None], dict[int, EventSchema]]) -> None:
    """Flipped bits, cuts, trailing bytes, swallowed neighbours: the same records are bad, for the same reasons."""
    _agree(*made)


@_SETTINGS
@given(_good(), st.data())
def test_the_walk_suspects_the_broken_and_no_other(
    made: tuple[list[bytes], dict[int, EventSchema]], data: st.DataObject
) -> None:
    """Good records all fit their schema; one that was cut, or has bytes too many, does not."""
    batch, by_id = made
    tree = by_id[7].tree
    assume(columnar.plan(tree) is not None)
    assert batch_scan.misfits(tree, batch) == []
    at = data.draw(st.integers(0, len(batch) - 1))
    if len(batch[at]) > wire.HEADER and data.draw(st.booleans()):
        batch[at] = batch[at][: data.draw(st.integers(wire.HEADER, len(batch[at]) - 1))]
    else:
        batch[at] += data.draw(st.binary(min_size=1, max_size=20))
    assert batch_scan.misfits(tree, batch) == ([] if batch_scan._has_array(tree) else [at])


@_SETTINGS
@given(_corrupted())
def test_whom_the_walk_suspects_is_bad(made: tuple[list[bytes | None], dict[int, EventSchema]]) -> None:
    """Whatever happened to the records: nobody is read one by one for nothing."""
    batch, by_id = made
    mine = [value for value in batch if value is not None and value[: wire.HEADER] == wire.header(7)]
    assume(columnar.plan(by_id[7].tree) is not None)
    _, exact = _both([*mine], by_id)
    assert set(batch_scan.misfits(by_id[7].tree, mine)) <= {bad.row for bad in exact.bad}


@_SETTINGS
@given(_good())
def test_decode_and_encode_are_inverse(made: tuple[list[bytes], dict[int, EventSchema]]) -> None:
    """What was decoded encodes to the same bytes, but for a union whose branches overlap."""
    batch, by_id = made
    schema = by_id[7]
    for value in batch:
        _, body = wire.unpack(value)
        assert codec.encode(schema, codec.decode(schema, body)) == body


@_SETTINGS
@given(st.data())
def test_the_compiled_writer_writes_what_fastavro_writes(data: st.DataObject) -> None:
    """Byte for byte, for every schema it takes on."""
    schema = data.draw(schemas())
    event = data.draw(values(schema.tree))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema.writer, event)
    assert codec.encode(schema, event) == buffer.getvalue()
