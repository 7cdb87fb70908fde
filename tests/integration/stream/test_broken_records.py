"""A broken record among many good ones, as a batch of a backlog has it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from etld.schemas.event_schema import EventSchema
from etld.serdes.avro import wire
from etld.serdes.avro.codec import codec_of
from support.daemon import ROOT, Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

GOOD = 300


@pytest.fixture
def told(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon in whose environment Rust is told to say where it panics."""
    daemon = make_daemon()
    daemon.env["RUST_BACKTRACE"] = "1"
    with daemon.running():
        yield daemon


def test_nothing_but_its_letter_is_heard_of_it(told: Daemon) -> None:
    """The neighbours are stored, and no trace of a library's panic fills the log."""
    etld = EtldClient(told)
    ((schema_id,),) = etld.sql("SELECT id FROM etld.schema_version WHERE subject = 'event_purchase-value'")
    told.cli("pause", "processor")
    etld.send([purchase() for _ in range(GOOD)])
    schema = EventSchema.parse((ROOT / "schemas" / "purchase.avsc").read_text())
    event = purchase() | {"event_id": str(uuid.uuid4()), "triggered_at": 0}
    event["user_details"] = {"user_id": 1, "name": None, "email": None, "country": None, "anonymous_id": None}
    for _ in range(12):  # one at least for each partition
        etld.produce(str(uuid.uuid4()), wire.pack(schema_id, codec_of(schema).encode(event))[:-5])
    told.cli("resume", "processor")
    wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(GOOD,)], 30)
    dead = "SELECT count(*) FROM etld.dead_letter WHERE error_class = 'Truncated'"
    wait_until(lambda: etld.sql(dead) == [(12,)], 30)
    log = told.logs(10_000)
    assert "dead letter: Truncated" in log
    assert "stack backtrace" not in log
