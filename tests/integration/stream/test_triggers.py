"""Triggers and rules of the table of events that let rows vanish: nothing counts as stored that is not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etld.deadletters import outbox
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.sinks.base import SinkError
from etld.sinks.postgres.unwrap import PostgresTransaction
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_WHERE = "(NEW.event_details ->> 'price')::float8 > 100"
# A price above 100 is not kept, in the four ways in which a trigger can do that without an error.
_TRIGGERS = {
    "returns_null": ("BEFORE", f"IF {_WHERE} THEN RETURN NULL; END IF; RETURN NEW;"),
    "changes_id": ("BEFORE", f"IF {_WHERE} THEN NEW.event_id := gen_random_uuid(); END IF; RETURN NEW;"),
    "deletes_again": (
        "AFTER",
        f"IF {_WHERE} THEN DELETE FROM processed_events WHERE event_id = NEW.event_id; END IF; RETURN NULL;",
    ),
    "deletes_at_the_end": (
        "AFTER",
        f"IF {_WHERE} THEN DELETE FROM processed_events WHERE event_id = NEW.event_id; END IF; RETURN NULL;",
    ),
}


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """A daemon without breaker and rules of its own."""
    made = make_daemon()
    made.configure({"breaker.ratio": 0.0, "corrector.rules": []})
    with made.running():
        yield EtldClient(made)


def make_trigger(etld: EtldClient, name: str) -> None:
    """One of _TRIGGERS."""
    when, body = _TRIGGERS[name]
    etld.sql(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$")
    deferred = name == "deletes_at_the_end"
    kind, wait = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED") if deferred else ("TRIGGER", "")
    etld.sql(f"CREATE {kind} {name} {when} INSERT ON processed_events {wait} FOR EACH ROW EXECUTE FUNCTION {name}()")


def events(prices: list[float]) -> list[dict[str, Any]]:
    """One of each price."""
    return [{**purchase(price=price), "event_id": str(uuid.uuid4())} for price in prices]


@pytest.mark.parametrize("name", list(_TRIGGERS))
def test_what_a_trigger_swallows_is_a_dead_letter(etld: EtldClient, name: str) -> None:
    """Counted as such, told of by name, found by its id; and a replay stores it when the trigger is gone."""
    rows = etld.sql("SELECT count(*) FROM processed_events")[0][0]
    make_trigger(etld, name)
    try:
        good, bad = events([5.0] * 40), events([500.0] * 3)
        mixed = [*good[:20], *bad, *good[20:], good[0]]  # with a duplicate
        etld.send(mixed)
        for one in bad:
            letter = etld.letter(one["event_id"], "parked")
            assert letter["stage"] == "TASK_PUT"
            assert f"trigger {name} of processed_events swallowed it" in letter["error"]
        assert etld.daemon.json("trace", bad[0]["event_id"])["stored"] is None
        wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(rows + 40,)], 30)
        wait_until(lambda: any(name in told for told in etld.daemon.status()["faults"]), 20, "a fault by name")
        report = etld.daemon.json("reconcile", check=False)
        purchases = [one for one in report["partitions"] if one["topic"] == "event_purchase"]
        assert sum(one["stored"] for one in purchases) == report["table_rows"] == rows + 40
        assert all(
            one["consumed"] == sum(one[k] for k in ("stored", "duplicate", "filtered", "dead")) for one in purchases
        )
        # What the table does not have and the summary counts is the one thing to be told.
        assert [told for told in report["differences"] if "summary" not in told] == []
    finally:
        etld.sql(f"DROP TRIGGER {name} ON processed_events")
    etld.daemon.cli("dlq", "replay", "--state", "parked", "--yes")
    for one in bad:
        wait_until(lambda one=one: etld.price(one["event_id"]) == 500.0, 40, "it is stored after all")
    report = etld.daemon.json("reconcile", "--wait", "30")
    assert (report["ok"], report["table_rows"]) == (True, rows + 43)


def test_a_deferred_constraint_costs_only_its_own_row(etld: EtldClient) -> None:
    """What PostgreSQL would refuse at COMMIT is found before it."""
    etld.sql("CREATE TABLE items (id bigint PRIMARY KEY)")
    etld.sql("INSERT INTO items VALUES (1)")
    etld.sql("ALTER TABLE processed_events ADD COLUMN item bigint")
    etld.sql("UPDATE processed_events SET item = 1")
    etld.sql(
        "CREATE FUNCTION item() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.item := (NEW.event_details ->> 'item_id')::bigint; RETURN NEW; END$$"
    )
    etld.sql("CREATE TRIGGER item BEFORE INSERT ON processed_events FOR EACH ROW EXECUTE FUNCTION item()")
    etld.sql(
        "ALTER TABLE processed_events ADD CONSTRAINT item FOREIGN KEY (item) REFERENCES items"
        " DEFERRABLE INITIALLY DEFERRED"
    )
    try:
        known, unknown = ({**purchase(item_id=n), "event_id": str(uuid.uuid4())} for n in (1, 2))
        etld.send([known, unknown])
        assert etld.letter(unknown["event_id"], "parked")["sqlstate"] == "23503"
        wait_until(lambda: etld.price(known["event_id"]) is not None, 30, "its neighbour is stored")
    finally:
        etld.sql("DROP TRIGGER item ON processed_events")
        etld.sql("ALTER TABLE processed_events DROP COLUMN item")


def test_a_rule_is_told_of_by_name(etld: EtldClient) -> None:
    """COPY knows no rules, and duplicates are found without; a batch with what the table refuses waits for its end."""
    etld.sql("CREATE RULE nothing AS ON INSERT TO processed_events DO INSTEAD NOTHING")
    etld.sql("ALTER TABLE processed_events ADD CONSTRAINT cheap CHECK ((event_details ->> 'price')::float < 1000)")
    try:
        one, other = events([5.0, 5.0])
        etld.send([one])
        wait_until(lambda: etld.price(one["event_id"]) == 5.0, 30, "it is stored")
        etld.send([one, other])
        wait_until(lambda: etld.price(other["event_id"]) == 5.0, 30, "the next is stored")
        (dear,) = events([5000.0])
        etld.send([dear])
        wait_until(lambda: any("rule nothing" in told for told in etld.daemon.status()["faults"]), 20, "a fault")
    finally:
        etld.sql("DROP RULE nothing ON processed_events")
    assert etld.letter(dear["event_id"], "parked")["sqlstate"] == "23514"
    etld.sql("ALTER TABLE processed_events DROP CONSTRAINT cheap")
    report = etld.daemon.json("reconcile", "--wait", "30", check=False)
    assert [told for told in report["differences"] if "summary" not in told] == []


def test_dead_letters_do_not_vanish_either(database: str) -> None:
    """A trigger on the outbox stops the batch instead."""
    with connect(database, application_name="test") as conn:
        migrate(conn)
        conn.execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        conn.execute("CREATE TRIGGER no BEFORE INSERT ON etld.dlq_outbox FOR EACH ROW EXECUTE FUNCTION no()")
        letter = outbox.Letter(str(uuid.uuid4()), b"k", b"v", {})
        with conn.transaction(), conn.cursor() as cur, pytest.raises(SinkError, match="dlq_outbox"):
            outbox.add(PostgresTransaction(cur), [letter])
        conn.execute("DROP TRIGGER no ON etld.dlq_outbox")
        for _ in range(2):
            with conn.transaction(), conn.cursor() as cur:
                outbox.add(PostgresTransaction(cur), [letter, letter])
