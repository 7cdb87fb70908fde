"""Set-up against a real broker and a real database."""

from __future__ import annotations

import json
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from etld.config import Config, load
from etld.events.validate import Valid
from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem
from etld.postgres import connections
from etld.postgres.errors import DatabaseProblem
from etld.postgres.migrate import LOCK, available, migrate
from etld.schemas.event_schema import EventSchema
from etld.schemas.registry import open_registry
from etld.schemas.registry.cache import SchemaCache
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import codec_of
from etld.setup import check, main, topics
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.event_types import validator
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Refund",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_name", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {
            "name": "user_details",
            "type": {"type": "record", "name": "U", "fields": [{"name": "user_id", "type": "long"}]},
        },
        {
            "name": "event_details",
            "type": {"type": "record", "name": "E", "fields": [{"name": "amount", "type": "double"}]},
        },
    ],
}


class Place:
    """A configuration with one event type of its own, and its addresses."""

    def __init__(self, directory: Path, kafka: str, database: str) -> None:
        self.directory = directory
        self.topic = f"event_{uuid.uuid4().hex[:8]}"
        self.addresses = Addresses(http="", kafka=kafka, postgres=database, schema_registry="embedded", control="")
        self.schema = directory / "schemas" / "refund.avsc"
        self.schema.parent.mkdir()
        self.write(_SCHEMA)
        (directory / "etld.toml").write_text(
            f'[event_types.refund]\nschema = "schemas/refund.avsc"\ntopic = "{self.topic}"\npartitions = 2\n'
        )

    def write(self, schema: dict[str, Any]) -> None:
        """Write the schema file."""
        self.schema.write_text(json.dumps(schema))

    def config(self) -> Config:
        """The configuration as it is now."""
        return load(self.directory / "etld.toml", {})

    def worker(self) -> LocalWorker:
        """A worker `setup`."""
        return LocalWorker(self.config(), "setup", "setup", self.addresses)


@pytest.fixture
def place(tmp_path: Path, kafka: str, database: str) -> Place:
    """A place to set up."""
    return Place(tmp_path, kafka, database)


def _changed(**detail: Any) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(_SCHEMA))
    schema["fields"][5]["type"]["fields"].append(detail)
    return schema


def test_a_new_event_type_is_a_schema_and_a_table(place: Place) -> None:
    """No code: after set-up its events validate, encode and decode with the id that was given."""
    main.run(place.worker())
    entry = json.loads(place.config().schemas_path.read_text())["event_types"]["refund"]
    assert (entry["topic"], entry["subject"]) == (place.topic, f"{place.topic}-value")
    schema = EventSchema.parse(json.dumps(entry["schema"]))
    validated = validator(entry["schema"], "refund").validate(
        {
            "event_name": "refunded",
            "event_type": "refund",
            "triggered_at": 1_700_000_000,
            "user_details": {"user_id": 7},
            "event_details": {"amount": 3},
        }
    )
    assert isinstance(validated, Valid)
    value = wire.pack(entry["id"], codec_of(schema).encode(validated.event))
    cache = SchemaCache(open_registry(place.config(), place.addresses))
    decoded = columnar.decode([value], cache)
    assert decoded.bad == []
    assert decoded.frame["event_details"].to_list() == [{"amount": 3.0}]
    found = Admin({"bootstrap.servers": place.addresses.kafka}).topics([place.topic])[place.topic]
    assert found.partitions == 2


def settings(admin: Admin, name: str) -> dict[str, str]:
    """The settings of a topic, {} while the broker does not know it."""
    try:
        return admin.topic_config(name)
    except KafkaProblem:
        return {}


def test_how_long_kafka_keeps_dead_letters(place: Place) -> None:
    """As the configuration says, and no longer, also of topics that kept them for ever; another value stays."""
    prefix = f"{uuid.uuid4().hex[:8]}-"  # topics that no other test has made
    with (place.directory / "etld.toml").open("a") as out:
        out.write(f'[kafka]\nprefix = "{prefix}"\n')
    main.run(place.worker())
    admin = Admin({"bootstrap.servers": place.addresses.kafka})
    for name in (f"{prefix}dead_letter_queue", f"{prefix}parked_events"):
        # A broker learns of a new topic a moment after the controller has made it.
        found = wait_until(lambda name=name: settings(admin, name))
        assert (found["retention.ms"], found["retention.bytes"]) == (str(30 * 86_400_000), "-1")
    admin.set_topic_config(f"{prefix}dead_letter_queue", {"retention.ms": "-1"})
    admin.set_topic_config(f"{prefix}parked_events", {"retention.ms": "1000000"})
    main.run(place.worker())
    kept = [("dead_letter_queue", str(30 * 86_400_000)), ("parked_events", "1000000")]
    for name, wanted in kept:
        wait_until(lambda name=name, wanted=wanted: settings(admin, f"{prefix}{name}").get("retention.ms") == wanted)


def test_twice_and_at_once(place: Place) -> None:
    """Several daemons set up the same at the same time; the ids stay."""
    threads = [threading.Thread(target=main.run, args=(place.worker(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    first = place.config().schemas_path.read_bytes()
    main.run(place.worker())
    assert place.config().schemas_path.read_bytes() == first


def test_an_incompatible_schema_ends_set_up_with_the_reason(place: Place) -> None:
    """A restart would not help: fatal, and the old file stays."""
    main.run(place.worker())
    before = place.config().schemas_path.read_bytes()
    place.write(_changed(name="reason", type="string"))
    worker = place.worker()
    with pytest.raises(SystemExit):
        main.run(worker)
    assert any("reason" in str(message.get("reason")) for message in worker.messages)
    assert place.config().schemas_path.read_bytes() == before


def test_a_compatible_schema_gets_a_new_id(place: Place) -> None:
    """A field with a default may come."""
    main.run(place.worker())
    before = json.loads(place.config().schemas_path.read_text())["event_types"]["refund"]["id"]
    place.write(_changed(name="reason", type=["null", "string"], default=None))
    main.run(place.worker())
    after = json.loads(place.config().schemas_path.read_text())["event_types"]["refund"]["id"]
    assert after != before


def test_a_compacted_topic_is_unusable(place: Place) -> None:
    """Compaction would drop records."""
    admin = Admin({"bootstrap.servers": place.addresses.kafka})
    admin.create_topic(place.topic, 1, 1, {"cleanup.policy": "compact"})
    with pytest.raises(topics.UnusableTopic, match=r"compacted.*cleanup\.policy=delete"):
        topics.ensure(admin, place.config(), letters_read=True)


def test_waits_while_the_database_is_away(place: Place) -> None:
    """A server that is away is waited for, and named."""
    away = Addresses(
        http="", kafka=place.addresses.kafka, postgres="postgresql://etld@127.0.0.1:1/x",
        schema_registry="embedded", control="",
    )  # fmt: skip
    worker = LocalWorker(place.config(), "setup", "setup", away)
    thread = threading.Thread(target=main.run, args=(worker,))
    thread.start()
    while "postgres" not in str(worker.metrics.faults):
        assert thread.is_alive()
    worker.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert not worker.ready_event.is_set()


def test_an_older_program_works_beside_a_newer_one(place: Place) -> None:
    """On a database that the newer one has migrated, as long as that only added something."""
    main.run(place.worker())
    assert place.addresses.postgres is not None
    with connections.connect(place.addresses.postgres, application_name="test") as conn:
        conn.execute("INSERT INTO etld.migration (number, name) VALUES (9999, '9999_of_tomorrow.sql')")
    worker = place.worker()
    main.run(worker)
    assert worker.ready_event.is_set()
    check.run(place.config(), place.addresses)


def test_an_older_program_refuses_a_newer_database(place: Place) -> None:
    """At once, for good, and in words; nothing is changed. The check before an upgrade says so too."""
    check.run(place.config(), place.addresses)  # nothing is there yet
    main.run(place.worker())
    check.run(place.config(), place.addresses)
    assert place.addresses.postgres is not None
    with connections.connect(place.addresses.postgres, application_name="test") as conn:
        conn.execute("INSERT INTO etld.migration (number, name, needs) VALUES (9999, '9999_of_tomorrow.sql', 9999)")
    place.config().schemas_path.unlink()
    worker = place.worker()
    with pytest.raises(SystemExit):
        main.run(worker)
    reason = worker.messages[-1]["reason"]
    assert "the database is at migration 9999" in reason
    assert "Upgrade this one" in reason
    assert not place.config().schemas_path.exists()
    with pytest.raises(DatabaseProblem, match="the database is at migration 9999"):
        check.run(place.config(), place.addresses)


def test_migrations_run_once_when_many_start_at_once(database: str) -> None:
    """Under an advisory lock: the others wait, and find nothing to do."""
    ran: list[list[str]] = []

    def start() -> None:
        with connections.connect(database, application_name="test") as conn:
            ran.append(migrate(conn))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, ran)) == [0, 0, 0, len(available())]


def test_a_migration_that_waited_sees_what_the_other_made(database: str) -> None:
    """Also a session that had asked before, and so keeps in mind that there is no schema etld."""
    with (
        connections.connect(database, application_name="test first") as first,
        connections.connect(database, application_name="test second") as second,
    ):
        second.execute("SELECT to_regnamespace('etld') IS NULL")
        ran: list[list[str]] = []
        waiting = threading.Thread(target=lambda: ran.append(migrate(second)))
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test second' AND wait_event = 'advisory'"
        )
        with first.transaction():
            first.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            waiting.start()
            wait_until(lambda: first.execute(blocked).fetchone() == (1,))
            first.execute("CREATE SCHEMA etld")
        waiting.join(30)
    assert ran == [[name for _, name, _ in available()]]
