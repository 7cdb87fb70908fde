"""`etld trace`: one event's life, from its acceptance on, whatever became of it."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import confluent_kafka.admin
import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """One daemon for the tests of this file."""
    made = make_daemon()
    with made.running():
        yield EtldClient(made)


def moments(*told: str) -> list[datetime]:
    """Times as `etld trace` tells them."""
    return [datetime.fromisoformat(one) for one in told]


def record(etld: EtldClient, topic: str, part: int, off: int) -> Any:
    """The record there."""
    consumer = confluent_kafka.Consumer(etld.daemon.kafka_client(group_id=str(uuid.uuid4())))
    consumer.assign([confluent_kafka.TopicPartition(topic, part, off)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return message


def test_a_stored_event(etld: EtldClient) -> None:
    """Accepted, where in Kafka, stored."""
    event, before = purchase(), datetime.now(UTC)
    etld.track(event)
    wait_until(lambda: etld.price(event["event_id"]), 30, "it is stored")
    found = etld.daemon.json("trace", event["event_id"])
    (accepted,) = moments(found["accepted"])
    row = found["stored"]
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= accepted <= moments(row["processed_at"])[0]
    kept = record(etld, row["topic"], row["kafka_partition"], row["kafka_offset"])
    assert kept.key() == event["event_id"].encode()
    assert moments(row["accepted_at"])[0].timestamp() * 1000 == pytest.approx(kept.timestamp()[1], abs=1)
    assert (found["resent"], found["dead_letters"], found["outbox"]) == (None, [], [])
    said = etld.daemon.cli("trace", event["event_id"]).stdout
    assert [line.split()[0] for line in said.splitlines()] == ["event", "accepted", "in", "stored"]


def test_a_repaired_event(etld: EtldClient) -> None:
    """Accepted before it was dead; its row's record is the repair's."""
    event = purchase(price=" 2.5 ")
    etld.track(event)
    etld.letter(event["event_id"], "resolved")
    found = etld.daemon.json("trace", event["event_id"])
    (letter,) = found["dead_letters"]
    life = moments(found["accepted"], letter["created_at"], found["resent"], found["stored"]["processed_at"])
    assert life == sorted(life)
    kept = record(etld, "dead_letter_queue", letter["queue_part"], letter["queue_off"])
    assert dict(kept.headers())["etld.dead_letter_id"] == letter["id"].encode()
    said = etld.daemon.cli("trace", event["event_id"]).stdout
    words = [line.split()[0] for line in said.splitlines()]
    assert words == ["event", "accepted", "dead", "in", "attempt", "letter", "resent", "in", "stored"]
    assert f"in Kafka  dead_letter_queue:{letter['queue_part']} offset {letter['queue_off']}\n" in said


def test_a_parked_event_of_ingest(etld: EtldClient) -> None:
    """Its acceptance is its record in the dead letter queue."""
    event = {**purchase(), "event_name": "no such name"}
    etld.track(event)
    etld.letter(event["event_id"], "parked")
    found = etld.daemon.json("trace", event["event_id"])
    (letter,) = found["dead_letters"]
    kept = record(etld, "dead_letter_queue", letter["queue_part"], letter["queue_off"])
    assert moments(found["accepted"])[0].timestamp() * 1000 == pytest.approx(kept.timestamp()[1], abs=1)
    assert " is parked" in etld.daemon.cli("trace", event["event_id"]).stdout


def test_a_parked_record_of_a_processor(etld: EtldClient) -> None:
    """Its acceptance is the record that nobody could read."""
    event_id = str(uuid.uuid4())
    etld.produce(event_id, b"\xff\xfe\xfd")
    etld.letter(event_id, "parked")
    found = etld.daemon.json("trace", event_id)
    (letter,) = found["dead_letters"]
    poison = record(etld, letter["topic"], letter["part"], letter["off"])
    assert poison.value() == b"\xff\xfe\xfd"
    assert moments(found["accepted"])[0].timestamp() * 1000 == pytest.approx(poison.timestamp()[1], abs=1)


def test_a_letter_that_waits_in_the_outbox(etld: EtldClient) -> None:
    """Before the corrector knows it, the outbox says why the event is dead."""
    event_id = str(uuid.uuid4())
    etld.daemon.cli("pause", "corrector")
    # What a relay leaves that dies after it has sent.
    etld.sql("CREATE RULE kept AS ON DELETE TO etld.dlq_outbox DO INSTEAD NOTHING")
    try:
        etld.produce(event_id, b"\xff\xfe\xfd")
        wait_until(lambda: etld.sql("SELECT count(*) FROM etld.dlq_outbox") == [(1,)], 30, "it is in the outbox")
        found = etld.daemon.json("trace", event_id)
        said = etld.daemon.cli("trace", event_id).stdout
    finally:
        etld.sql("DROP RULE kept ON etld.dlq_outbox")
        etld.daemon.cli("resume", "corrector")
    (letter,) = found["outbox"]
    life = moments(found["accepted"], letter["created_at"])
    assert life == sorted(life)
    assert record(etld, letter["topic"], letter["part"], letter["off"]).key() == event_id.encode()
    assert f"letter    {letter['id']} waits in etld.dlq_outbox" in said
    etld.letter(event_id, "parked")
    wait_until(lambda: etld.daemon.json("trace", event_id)["outbox"] == [], 20, "the outbox is empty")


def test_an_event_that_nobody_knows(etld: EtldClient) -> None:
    """Says so, with exit code 1."""
    done = etld.daemon.cli("trace", str(uuid.uuid4()), check=False)
    assert done.returncode == 1
    assert "neither stored nor a dead letter" in done.stdout


def test_events_that_are_left_out(make_daemon: Callable[[], Daemon]) -> None:
    """Filtered by a transform, sampled by ingest, deleted from the table, waiting: each is said by its name."""
    made = make_daemon()
    Path(made.directory, "large_only.py").write_text(
        "import polars as pl\n"
        "def keep(frame):\n"
        "    small = pl.col('event_details').struct.field('price') < 10\n"
        "    return frame.with_columns(small.alias('etld_drop'))\n"
    )
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"event_types.purchase.transform": "large_only:keep", "corrector.keep_resolved": "1 s"})
    with made.running():
        etld = EtldClient(made)
        small, large = purchase(price=1.0), purchase(price=99.0)
        for event in (small, large):
            etld.track(event)
        wait_until(lambda: etld.price(large["event_id"]), 30, "the large one is stored")
        wait_until(lambda: made.json("trace", small["event_id"])["fate"] == "filtered", 30, "the other one is filtered")
        said = made.cli("trace", small["event_id"]).stdout
        assert "filtered  large_only:keep left it out" in said
        assert made.json("trace", large["event_id"])["fate"] == "stored"
        deleted = purchase(price=99.0)
        etld.send([*(purchase(price=1.0) for _ in range(40)), deleted])  # in each partition one is filtered
        wait_until(lambda: etld.price(deleted["event_id"]), 30, "it is stored, to be deleted")
        filtered = (
            "SELECT count(*) FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase' AND filtered > 0"
        )
        wait_until(lambda: etld.sql(filtered) == [(3,)], 30, "the others are filtered")
        etld.sql("DELETE FROM processed_events WHERE event_id = %s::uuid", deleted["event_id"])
        found = made.json("trace", deleted["event_id"])
        assert (found["fate"], found["fate_text"]) == (
            "expired",
            "its row was stored, and deleted since by somebody else",
        )
        what_was_forgotten(etld)
        made.cli("pause", "processor")
        late = purchase(price=99.0)
        etld.track(late)
        assert made.json("trace", late["event_id"])["fate"] == "waiting"
        made.cli("resume", "processor")
        made.configure(
            {"event_types.purchase.transform": "", "event_types.purchase.sample": {large["event_name"]: 0.0}}
        )
        made.cli("reload")
        gone = purchase()
        etld.track(gone)
        found = made.json("trace", gone["event_id"])
        assert found["fate"] == "sampled"
        assert f"purchase {gone['event_name']}" in found["fate_text"]
        what_has_expired(etld)


def what_was_forgotten(etld: EtldClient) -> None:
    """The events and dead letters of a subject, whose records Kafka still holds."""
    made = etld.daemon
    user = 4711
    stored = {**purchase(price=99.0), "user_details": {"user_id": user, "email": "gone@example.com", "country": "DE"}}
    dead = {**stored, "event_id": str(uuid.uuid4()), "event_name": "no such name"}
    etld.track(stored)
    etld.track(dead)
    wait_until(lambda: etld.stored(stored["event_id"]), 30, "it is stored")
    etld.letter(dead["event_id"], "parked")
    made.cli("forget", f"user_id={user}", "--yes")
    for one in (stored, dead):
        found = made.json("trace", one["event_id"])
        assert found["fate"] == "forgotten", found


def what_has_expired(etld: EtldClient) -> None:
    """A row that somebody deleted, a dead letter that was kept long enough, a record that Kafka kept long enough."""
    made = etld.daemon
    stored = event("order", event_id=str(uuid.uuid4()))  # no transform has left out any of its topic
    etld.track(stored)
    wait_until(lambda: etld.stored(stored["event_id"]), 30, "it is stored")
    etld.sql("DELETE FROM processed_events WHERE event_id = %s::uuid", stored["event_id"])
    found = made.json("trace", stored["event_id"])
    assert (found["fate"], found["fate_text"]) == (
        "expired",
        "its row was stored, and deleted since by somebody else",
    )
    assert found["accepted"]
    its_own_time_is_over(etld)
    dead = {**purchase(), "event_name": "no such name"}
    etld.track(dead)
    etld.letter(dead["event_id"], "parked")
    made.cli("dlq", "discard", dead["event_id"], "--reason", "a test", "--yes")
    found = wait_until(lambda: (it := made.json("trace", dead["event_id"]))["fate"] == "expired" and it, 60, "it is")
    assert "deleted after corrector.keep_resolved" in found["fate_text"]
    assert "expired" in made.cli("trace", dead["event_id"]).stdout
    made.configure({"event_types.purchase.sample": {}})
    old = of_two_hours_ago()
    assert made.json("trace", old, check=False)["fate"] == "unknown"
    admin = confluent_kafka.admin.AdminClient(etld.daemon.kafka_client())
    everything = [confluent_kafka.TopicPartition("event_order", number, -1) for number in range(3)]
    for done in admin.delete_records(everything).values():
        done.result(30)
    found = made.json("trace", old)
    assert found["fate"] == "expired"
    assert "Kafka's retention has deleted the records of that time" in found["fate_text"]


def its_own_time_is_over(etld: EtldClient) -> None:
    """A record that Kafka took before the retention of its event type."""
    model = event("order", event_id=str(uuid.uuid4()))
    etld.track(model)
    wait_until(lambda: etld.stored(model["event_id"]), 30, "it is stored")
    row = etld.daemon.json("trace", model["event_id"])["stored"]
    value = record(etld, row["topic"], row["kafka_partition"], row["kafka_offset"]).value()
    over, then = str(uuid.uuid4()), datetime.now(UTC) - timedelta(days=3)
    etld.produce(over, value, "event_order", int(then.timestamp() * 1000))
    etld.daemon.configure({"event_types.order.retention": "1 d", "storage.dedup_window": "1 d"})
    words = "its row was stored, and removed when its retention was over"
    wait_until(lambda: etld.daemon.json("trace", over)["fate_text"] == words, 30, "it is expired")


def of_two_hours_ago() -> str:
    """A UUIDv7, as ingest or a client may have made it."""
    when = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    return str(uuid.UUID(int=when << 80 | 7 << 76 | 2 << 62 | random.getrandbits(62)))
