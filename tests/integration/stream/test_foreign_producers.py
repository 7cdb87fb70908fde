"""Records of other producers: however they name their schema, whatever their schema asks for, whatever is in them."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from etld.events.union import BranchValue
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro.codec import codec_of
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import as_avro, purchase
from support.fake_registry import FakeRegistry, guid_of
from support.odd_headers import produce
from support.waiting import wait_until

pytestmark = pytest.mark.integration

TEXT = (Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text()
SCHEMA = EventSchema.parse(TEXT)
BROKEN, GOOD = 4_000, 600
Written = tuple[str, bytes | None, dict[str, bytes]]


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    """Speaks Confluent's protocol, and takes any schema."""
    server = FakeRegistry()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon], registry: FakeRegistry) -> Any:
    """A daemon on that registry, without a breaker; long ids are read."""
    made = make_daemon()
    made.configure(
        {
            "schema_registry.url": registry.url,
            "schema_registry.id_bytes": 8,
            "breaker.ratio": 0.0,
            "corrector.rules": [],
            "summaries.by_item": {
                "event_types": ["purchase"],
                "bucket": "1 d",
                "group_by": {"item": "event_details.item_id", "name": "event_details.item_name"},
                "measures": {
                    "events": "count",
                    "revenue": {"sum": "event_details.price"},
                    "mean": {"avg": "event_details.price"},
                    "least": {"min": "event_details.price"},
                    "last_item": {"max": "event_details.item_id"},
                },
            },
        }
    )
    with made.running():
        yield EtldClient(made)


def _registered(registry: FakeRegistry, schema: Any) -> int:
    """The id of a schema that another producer brought."""
    registry.ids.append(schema if isinstance(schema, str) else json.dumps(schema))
    return len(registry.ids)


def _with_field(field: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(TEXT)
    schema["fields"][5]["type"]["fields"].append(field)
    return schema


def _body(event: dict[str, Any]) -> bytes:
    return codec_of(SCHEMA).encode(as_avro(event))


def _write(etld: EtldClient, records: list[Written]) -> None:
    producer = confluent_kafka.Producer(etld.daemon.kafka_client(linger_ms=20))
    for key, value, headers in records:
        producer.produce("event_purchase", value, key.encode(), partition=0, headers=list(headers.items()))
        producer.poll(0)
    assert producer.flush(30) == 0


def _good(count: int, front: bytes) -> list[Written]:
    events = [purchase() for _ in range(count)]
    return [(event["event_id"], front + _body(event), {}) for event in events]


def _front(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4)


def test_schemas_in_headers_and_long_ids(etld: EtldClient, registry: FakeRegistry) -> None:
    """Stored as any other; one that is broken is a letter that still shows its event, and is repaired by hand."""
    own = _registered(registry, TEXT)
    renamed = TEXT.replace('"name": "Purchase"', '"name": "OfAnother"')
    _registered(registry, renamed)
    header = {"__value_schema_id": b"\1" + guid_of(renamed).bytes}
    stored = _good(150, b"\0" + own.to_bytes(8))
    stored += [(key, value, header) for key, value, _ in _good(150, b"")]
    wrong = purchase(item_name="no\0good")
    lost = purchase()
    unknown = {"__value_schema_id": b"\1" + uuid.UUID(int=7).bytes}
    _write(etld, [*stored, (wrong["event_id"], _body(wrong), header), (lost["event_id"], _body(lost), unknown)])
    wait_until(lambda: etld.stored(*(key for key, _, _ in stored)) == 300, 60)
    shown = etld.letter(wrong["event_id"], "parked")
    assert shown["error_class"] == "NulCharacter"
    assert shown["event"]["event_details"]["item_name"] == "no\0good"
    missing = etld.letter(lost["event_id"], "parked")
    assert "no schema has the GUID 00000000-0000-0000-0000-000000000007" in missing["error"]


def test_headers_whose_names_are_no_text(etld: EtldClient, registry: FakeRegistry) -> None:
    """The client library has no headers for such a record: its value is read all the same, and so is a letter."""
    before = _workers(etld)
    own = _registered(registry, TEXT)
    ((key, value, _),) = odd = _good(1, _front(own))
    letter = purchase()
    kafka = etld.daemon.kafka_client()
    produce(kafka, "event_purchase", key.encode(), value, b"\xff\xfe")
    produce(kafka, "dead_letter_queue", letter["event_id"].encode(), json.dumps(letter).encode(), b"\xff\xfe")
    good = _good(20, _front(own))
    _write(etld, good)
    wait_until(lambda: etld.stored(*(one for one, _, _ in odd + good)) == 21, 60, "it is stored, and those behind it")
    etld.letter(letter["event_id"], "resolved")
    assert _workers(etld) == before


def test_what_a_schema_may_not_ask_for(etld: EtldClient, registry: FakeRegistry) -> None:
    """Each of its records is a letter with the bound; its neighbours are stored, and no worker ends."""
    before = _workers(etld)
    own = _registered(registry, TEXT)
    digits = {"type": "bytes", "logicalType": "decimal"}
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    asked = {
        "5,000 digits": _with_field({"name": "x", "type": {**digits, "precision": 5_000}}),
        "100,000,000 digits": _with_field({"name": "x", "type": {**digits, "precision": 10**8}}),
        "contains itself": _with_field({"name": "x", "type": node}),
        "is no event's": {"type": json.loads(TEXT)["fields"][5]["type"]},
    }
    bad: dict[str, Written] = {}
    for words, schema in asked.items():
        event = purchase()
        front = _front(_registered(registry, schema))
        bad[words] = (event["event_id"], front + _body(event) + b"\x02" * 500, {})
    good = _good(100, _front(own))
    _write(etld, [*good[:50], *bad.values(), *good[50:]])
    wait_until(lambda: etld.stored(*(key for key, _, _ in good)) == 100, 60)
    for words, (event_id, _, _) in bad.items():
        letter = etld.letter(event_id, "parked")
        assert letter["error_class"] == "NotAnEventSchema"
        assert words in letter["error"]
    assert _workers(etld) == before


def test_fields_of_other_types(etld: EtldClient, registry: FakeRegistry) -> None:
    """All stored and counted, a number in text as that number; what the column does not hold is left out of a sum."""
    before = _workers(etld)
    own = _registered(registry, TEXT)
    record = {"type": "record", "name": "Price", "fields": [{"name": "net", "type": "double"}]}
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 24}
    given: list[tuple[str, Any, Any]] = [
        ("price", "string", "12.5"),
        ("price", "string", "dear"),
        ("price", "string", "9" * 2_000),
        ("price", record, {"net": 1.5}),
        ("price", {"type": "map", "values": "double"}, {"net": 1.5}),
        ("price", {"type": "array", "items": "double"}, [1.5]),
        ("price", "boolean", True),
        ("price", "null", None),
        ("price", ["null", "double", "string"], BranchValue(2, "2.25")),
        ("price", ["null", "double", "string"], BranchValue(1, 4.5)),
        ("price", decimal, Decimal("0.123456789012345678901234")),
        ("price", {"type": "int", "logicalType": "date"}, 7),
        ("item_id", "double", 1e300),
        ("item_id", "string", str(2**63)),
        ("item_id", "string", "17"),
        ("item_id", {"type": "enum", "name": "Item", "symbols": ["HAT"]}, "HAT"),
        ("item_id", {"type": "map", "values": "long"}, {"a": 1}),
        ("item_name", "long", 5),
        ("item_name", "boolean", True),
        ("item_name", record, {"net": 1.5}),
    ]
    records: list[Written] = []
    for name, kind, value in given:
        schema = json.loads(TEXT)
        details = schema["fields"][5]["type"]["fields"]
        details[[one["name"] for one in details].index(name)] = {"name": name, "type": kind}
        text = json.dumps(schema)
        event = purchase(price=8.0)
        event["event_details"][name] = value
        body = codec_of(EventSchema.parse(text)).encode(as_avro(event))
        records.append((event["event_id"], _front(_registered(registry, text)) + body, {}))
    ids = [key for key, _, _ in records]
    good = _good(40, _front(own))
    _write(etld, [*good[:20], *records, *good[20:]])
    wait_until(lambda: etld.stored(*ids, *(key for key, _, _ in good)) == 40 + len(ids), 60)
    counted = "SELECT sum(events) = (SELECT count(*) FROM processed_events) FROM etld.summary_by_item"
    wait_until(lambda: etld.sql(counted) == [(True,)], 60)
    wait_until(lambda: etld.daemon.cli("reconcile", check=False).returncode == 0, 60)
    etld.daemon.cli("summaries", "rebuild", "by_item", "--wait", "60")
    wait_until(lambda: etld.daemon.cli("reconcile", check=False).returncode == 0, 60)
    assert etld.sql(counted) == [(True,)]
    assert etld.sql("SELECT count(*) FROM etld.summary_by_item WHERE item = 17") == [(1,)]
    assert _workers(etld) == before


def test_thousands_of_broken_records(etld: EtldClient, registry: FakeRegistry) -> None:
    """Each has its letter or its row, every good one is stored, no worker ends, and the accounts agree."""
    before = _workers(etld)
    own = _registered(registry, TEXT)
    other = _registered(registry, _with_field({"name": "more", "type": {"type": "map", "values": ["null", "string"]}}))
    randoms = random.Random(16)
    good = _good(GOOD, _front(own))
    body = _body(purchase())
    broken: list[Written] = []
    for _ in range(BROKEN):
        front = randoms.choice(
            [_front(own), _front(other), _front(randoms.randrange(2, 12)), b"\1" + randoms.randbytes(16)]
        )
        broken.append((str(uuid.uuid4()), randoms.choice([front, b""]) + _mutated(randoms, body), {}))
    records = good + broken
    randoms.shuffle(records)
    written = etld.sql("SELECT coalesce(sum(consumed), 0) FROM etld.kafka_position WHERE topic = 'event_purchase'")
    _write(etld, records)
    consumed = (
        "SELECT coalesce(sum(consumed), 0) FROM etld.kafka_position WHERE topic = 'event_purchase'"
        " AND consumer_group IN ('etld-processor-purchase', 'etld-aggregator')"
    )
    wait_until(lambda: etld.sql(consumed)[0][0] >= written[0][0] + 2 * len(records), 120)
    assert etld.stored(*(key for key, _, _ in good)) == GOOD
    assert _workers(etld) == before
    try:
        wait_until(lambda: etld.daemon.cli("reconcile", check=False).returncode == 0, 60)
    except AssertionError:
        print(etld.daemon.cli("reconcile", check=False).stdout)
        raise


def test_what_is_too_deep_for_the_server(etld: EtldClient, registry: FakeRegistry) -> None:
    """A row that passes its stack depth is that row's letter, and nothing that a person has to look at.

    The last test: the summaries count the event, and differ from the table from here on.
    """
    own = _registered(registry, TEXT)
    etld.sql(
        "CREATE FUNCTION public.sink(n integer) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN IF n = 0 THEN RETURN true; END IF; RETURN public.sink(n - 1); END $$"
    )
    etld.sql(
        "ALTER TABLE processed_events ADD CONSTRAINT deep CHECK"
        " (event_details ->> 'item_name' IS DISTINCT FROM 'deep' OR public.sink(1000000))"
    )
    deep = purchase(item_name="deep")
    good = _good(20, _front(own))
    _write(etld, [*good[:10], (deep["event_id"], _front(own) + _body(deep), {}), *good[10:]])
    wait_until(lambda: etld.stored(*(key for key, _, _ in good)) == 20, 60)
    letter = etld.letter(deep["event_id"], "parked")
    assert (letter["stage"], letter["sqlstate"]) == ("TASK_PUT", "54001")
    etld.sql("ALTER TABLE processed_events DROP CONSTRAINT deep")


def _mutated(randoms: random.Random, body: bytes) -> bytes:
    at = randoms.randrange(len(body))
    match randoms.randrange(4):
        case 0:
            return body[:at]
        case 1:
            return randoms.randbytes(randoms.randrange(300))
        case 2:
            return body[:at] + b"\xff" * 12 + body[at:]
        case _:
            return body[:at] + randoms.randbytes(1) + body[at + 1 :] + b"\0"


def _workers(etld: EtldClient) -> dict[str, tuple[int, int]]:
    """Who is at work, and how often each was started anew."""
    return {one["name"]: (one["pid"], one["restarts"]) for one in etld.daemon.status()["workers"] if one["pid"]}
