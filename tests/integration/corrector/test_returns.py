"""Letters from a processor: what comes back, what nobody can decode, what the table refuses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

RULES = [
    {"name": "cast", "steps": [{"cast": "*"}]},
    {
        "name": "clamp",
        "match": {"sqlstate": "23514"},
        "steps": [{"clamp": {"field": "event_details.price", "max": 100.0}}],
    },
]


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """One daemon for the tests of this file, with a table that refuses more than etld does."""
    made = make_daemon()
    made.configure({"corrector.rules": RULES})
    with made.running():
        found = EtldClient(made)
        found.sql(
            "ALTER TABLE processed_events ADD CONSTRAINT dear CHECK (event_details ->> 'price' IS NULL"
            " OR (event_details ->> 'price')::float8 <= 100), ADD CONSTRAINT banned"
            " CHECK (event_details ->> 'item_name' IS DISTINCT FROM 'banned')"
        )
        yield found


def test_a_repair_that_comes_back_is_repaired_further(etld: EtldClient) -> None:
    """One letter, two attempts: cast, which the table refuses, then clamp, from what cast had made."""
    event = purchase(price="500")
    assert etld.track(event)["status"] == "dead_lettered"
    letter = etld.letter(event["event_id"], "resolved")
    assert [(one["rule"], one["outcome"]) for one in letter["history"]] == [("cast", "failed"), ("clamp", "stored")]
    assert letter["history"][0]["returned_as"]
    assert letter["history"][1]["before"] == letter["history"][0]["after"]
    assert etld.price(event["event_id"]) == 100


def test_avro_that_the_table_refused_is_repaired(etld: EtldClient) -> None:
    """Also with the time to the microsecond."""
    event = purchase(price=600)
    assert etld.track(event)["status"] == "success"
    letter = etld.letter(event["event_id"], "resolved")
    assert (letter["stage"], letter["sqlstate"], letter["topic"]) == ("TASK_PUT", "23514", "event_purchase")
    assert etld.price(event["event_id"]) == 100
    query = "SELECT extract(microseconds FROM triggered_at)::int FROM processed_events WHERE event_id = %s::uuid"
    assert etld.sql(query, event["event_id"]) == [(123456,)]


def test_what_no_rule_changes_parks_without_a_loop_until_a_replay(etld: EtldClient) -> None:
    """Refused twice: parked. When the table takes it, a replay stores it as it is."""
    event = purchase(item_name="banned", price="2")
    etld.track(event)
    letter = etld.letter(event["event_id"], "parked")
    assert [one["outcome"] for one in letter["history"]] == ["failed", "parked"]
    etld.daemon.cli("dlq", "replay", letter["id"])
    wait_until(lambda: len(etld.daemon.json("dlq", "show", letter["id"])["history"]) >= 4, 30, "it was tried again")
    etld.letter(event["event_id"], "parked")
    etld.sql("ALTER TABLE processed_events DROP CONSTRAINT banned")
    etld.daemon.cli("dlq", "replay", letter["id"])
    etld.letter(event["event_id"], "resolved")
    assert etld.price(event["event_id"]) == 2


def test_poison_parks_with_reasons_and_is_announced_once(etld: EtldClient) -> None:
    """Bytes that are nothing, no bytes, and JSON where Avro is due, which is repaired."""
    garbage, tombstone = str(uuid.uuid4()), str(uuid.uuid4())
    etld.produce(garbage, b"\xff\xfe\xfd")
    etld.produce(tombstone, None)
    plain = purchase()
    etld.produce(plain["event_id"], json.dumps(plain).encode())
    assert "undecodable" in etld.letter(garbage, "parked")["reason"]
    assert "tombstone" in etld.letter(tombstone, "parked")["reason"]
    etld.letter(plain["event_id"], "resolved")
    assert etld.price(plain["event_id"]) == 12.5
    wait_until(
        lambda: etld.sql("SELECT count(*) FROM etld.dead_letter WHERE state = 'parked' AND NOT announced") == [(0,)],
        20,
        "all are announced",
    )
    keys = announced(etld)
    assert keys.count(garbage) == keys.count(tombstone) == 1


def announced(etld: EtldClient) -> list[str]:
    """The keys of all records of parked_events."""
    consumer = confluent_kafka.Consumer(
        etld.daemon.kafka_client(group_id=str(uuid.uuid4()), auto_offset_reset="earliest", enable_partition_eof=True)
    )
    partitions = list(consumer.list_topics("parked_events").topics["parked_events"].partitions)
    consumer.assign([confluent_kafka.TopicPartition("parked_events", part, 0) for part in partitions])
    keys: list[str] = []
    ends = 0
    while ends < len(partitions):
        message = consumer.poll(10)
        assert message is not None
        if message.error() is None:
            keys.append((message.key() or b"").decode())
        else:
            ends += 1
    consumer.close()
    return keys


@pytest.mark.slow
def test_an_unknown_schema_id_is_taken_up_when_it_is_known(etld: EtldClient) -> None:
    """Parked by itself after a while, and new by itself when the registry has the id."""
    from etld.events.times import parse_time
    from etld.schemas.event_schema import EventSchema
    from etld.serdes.avro import wire
    from etld.serdes.avro.codec import codec_of

    ((schema, version, new_id),) = etld.sql(
        "SELECT schema, 1 + (SELECT max(version) FROM etld.schema_version), 1000 + max(id) FROM etld.schema_version"
        " WHERE subject = 'event_purchase-value' GROUP BY schema LIMIT 1"
    )
    event = purchase(price=3.5)
    parsed = EventSchema.parse(schema)
    full = {**event, "triggered_at": parse_time(event["triggered_at"])}
    nothing = dict.fromkeys(("name", "email", "country", "anonymous_id"))
    full["user_details"] = {**nothing, **event["user_details"]}
    etld.produce(event["event_id"], wire.pack(new_id, codec_of(parsed).encode(full)))
    # One that turns out to be no event's schema: it holds the other's revival up by nothing.
    odd = str(uuid.uuid4())
    etld.produce(odd, wire.pack(new_id - 1, b"\2a"))
    letter = etld.letter(event["event_id"], "parked")
    assert str(new_id) in letter["reason"]
    reasons = "SELECT reason FROM etld.dead_letter WHERE waits_for = %s"
    wait_until(lambda: etld.sql(reasons, new_id - 1), 30, "the other one waits too")
    etld.sql(
        "INSERT INTO etld.schema_version (id, subject, version, schema, fingerprint) OVERRIDING SYSTEM VALUE"
        f" VALUES ({new_id - 1}, 'odd-value', 1, '\"string\"', 'odd'),"
        f" ({new_id}, 'event_purchase-value', {version}, $${schema}$$, 'later')"
    )
    etld.letter(event["event_id"], "resolved")
    assert etld.price(event["event_id"]) == 3.5
    no_event = f"SELECT count(*) FROM etld.dead_letter WHERE reason LIKE 'the schema {new_id - 1} is no event%%'"
    wait_until(lambda: etld.sql(no_event) == [(1,)], 30, "the other one says what it is")
    assert etld.daemon.cli("dlq", "test", "--all", check=False).returncode in (0, 1)


def differences(etld: EtldClient) -> list[str]:
    """What reconcile says once nothing is in flight; the table refuses more than etld knows, so no summaries."""
    report: dict[str, Any] = {}

    def settled() -> bool:
        report.update(etld.daemon.json("reconcile", check=False))
        return report["in_flight"] == 0

    wait_until(settled, 40, "nothing is in flight")
    return [line for line in report["differences"] if not line.startswith("summary")]


def test_the_books_balance(etld: EtldClient) -> None:
    """After all of the above, reconcile finds no difference; nor when discarded letters have had their time."""
    refused = {**purchase(), "event_name": "no such name"}
    assert etld.track(refused)["status"] == "dead_lettered"
    etld.letter(refused["event_id"], "parked")
    assert differences(etld) == []
    states = "SELECT state, count(*) FROM etld.dead_letter GROUP BY 1"
    assert dict(etld.sql(states)).keys() == {"resolved", "parked"}
    ((parked,),) = etld.sql("SELECT id::text FROM etld.dead_letter WHERE state = 'parked' AND partition >= 0 LIMIT 1")
    etld.daemon.cli("dlq", "discard", parked, "--reason", "of no use", "--yes")
    assert differences(etld) == []
    etld.daemon.configure({"corrector.keep_resolved": "1 s"})
    etld.daemon.cli("reload")
    wait_until(lambda: dict(etld.sql(states)).keys() == {"parked"}, 90, "the others are deleted")
    assert differences(etld) == []


@pytest.mark.parametrize("whose", ["partition >= 0", "partition IS NULL"], ids=["of a processor", "of ingest"])
def test_a_letter_that_somebody_deletes_is_missed(etld: EtldClient, whose: str) -> None:
    """And reconcile says in which topic, or that it was no processor's."""
    etld.sql(
        f"CREATE TABLE taken AS SELECT * FROM etld.dead_letter WHERE id ="
        f" (SELECT id FROM etld.dead_letter WHERE {whose} AND state = 'parked' LIMIT 1);"
        "CREATE TABLE tries AS SELECT a.* FROM etld.dead_letter_attempt a JOIN taken t ON a.dead_letter_id = t.id"
    )
    etld.sql("DELETE FROM etld.dead_letter WHERE id = (SELECT id FROM taken)")
    found = differences(etld)
    etld.sql(
        "INSERT INTO etld.dead_letter SELECT * FROM taken; INSERT INTO etld.dead_letter_attempt SELECT * FROM tries"
    )
    etld.sql("DROP TABLE taken, tries")
    assert any("(-1)" in line and "the corrector kept" in line for line in found), found
    assert any(line.startswith("event_purchase: ") and "(-1)" in line for line in found) == (
        whose == "partition >= 0"
    ), found
    assert differences(etld) == []


def test_a_row_in_the_place_of_another_is_found(etld: EtldClient) -> None:
    """As many rows as before, and reconcile says which partition lacks one and where one is too many."""
    event = purchase()
    etld.track(event)
    wait_until(lambda: etld.price(event["event_id"]), 30, "it is stored")
    assert differences(etld) == []
    row = "event_id = %s::uuid"
    ((part,),) = etld.sql(f"SELECT kafka_partition FROM processed_events WHERE {row}", event["event_id"])
    etld.sql(f"UPDATE processed_events SET event_type = 'gift' WHERE {row}", event["event_id"])
    found = differences(etld)
    etld.sql(f"UPDATE processed_events SET event_type = 'purchase' WHERE {row}", event["event_id"])
    assert [line.partition(": ")[0] for line in found] == [f"gift:{part}", f"event_purchase:{part}"]
    assert "(+1)" in found[0]
    assert "(-1)" in found[1]
    assert differences(etld) == []


def test_a_rule_that_comes_after_the_refusal_repairs_at_a_replay(etld: EtldClient) -> None:
    """Parked without it; the rule is added, reloaded, tried and then acts: the letter is not sent as it was."""
    etld.sql("ALTER TABLE processed_events ADD CONSTRAINT long CHECK (length(event_details ->> 'item_name') < 9)")
    event = purchase(item_name="chandelier")
    assert etld.track(event)["status"] == "success"
    letter = etld.letter(event["event_id"], "parked")
    assert "long" in letter["reason"]
    shorten = {"regex_replace": {"field": "event_details.item_name", "pattern": "^(.{8}).*$", "replace": "\\1"}}
    rule = {"name": "shorten", "match": {"sqlstate": "23514", "message": "long"}, "steps": [shorten]}
    etld.daemon.configure({"corrector.rules": [*RULES, rule]})
    etld.daemon.cli("reload")
    assert "repaired by shorten" in etld.daemon.cli("dlq", "test", "--id", letter["id"]).stdout
    etld.daemon.cli("dlq", "replay", letter["id"])
    etld.letter(event["event_id"], "resolved")
    query = "SELECT event_details ->> 'item_name' FROM processed_events WHERE event_id = %s::uuid"
    assert etld.sql(query, event["event_id"]) == [("chandeli",)]
