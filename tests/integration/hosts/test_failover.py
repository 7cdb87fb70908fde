"""PostgreSQL goes over to a standby that was behind, under traffic: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support import shared_broker
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.standby import StandbyPair
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def pair(scratch: Path) -> Iterator[StandbyPair]:
    directory = scratch / f"pair-{uuid.uuid4().hex[:6]}"
    directory.mkdir(mode=0o700)
    made = StandbyPair(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def etld(pair: StandbyPair, make_daemon: Callable[[], Daemon], kafka: str) -> Iterator[EtldClient]:
    made = make_daemon()
    made.configure(
        {
            **shared_broker.settings(kafka),
            "postgres.dsn": pair.dsn,
            "processor.linger": "10 ms",
            "event_types.purchase.workers": 2,
        }
    )
    with made.running():
        yield EtldClient(made)


class Traffic:
    """Events of every fate, until it is stopped."""

    def __init__(self, etld: EtldClient) -> None:
        self._etld = etld
        self._stop = threading.Event()
        self.good: list[str] = []
        self.repairable: list[str] = []
        self.hopeless: list[str] = []
        #: Records that no schema reads, past ingest.
        self.garbage = 0
        self._topic = str(etld.daemon.settings()["kafka"]["prefix"]) + "event_purchase"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.send(20)

    def send(self, count: int) -> None:
        """So many good ones, and one of the others each."""
        events: list[dict[str, Any]] = [{**purchase(), "event_id": str(uuid.uuid4())} for _ in range(count)]
        repairable = {**purchase(price=" 12.5 "), "event_id": str(uuid.uuid4())}
        hopeless = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
        self._etld.send([*events, repairable, hopeless])
        self._etld.produce(hopeless["event_id"], b"no Avro", self._topic)
        self.garbage += 1
        self.good += [one["event_id"] for one in events]
        self.repairable.append(repairable["event_id"])
        self.hopeless.append(hopeless["event_id"])

    def stop(self) -> None:
        """No more."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def counts(etld: EtldClient) -> tuple[int, int]:
    """Rows, and letters."""
    ((rows, letters),) = etld.sql(
        "SELECT (SELECT count(*) FROM processed_events), (SELECT count(*) FROM etld.dead_letter)"
    )
    return rows, letters


def test_what_the_standby_had_not_got_is_read_again(pair: StandbyPair, etld: EtldClient) -> None:
    """Rows, letters, repairs, sums and counted ids: it is said and counted, and the books agree afterwards.

    Then the former primary comes back and takes writes, and nobody writes there.
    """
    traffic = Traffic(etld)
    wait_until(lambda: counts(etld)[0] > 300 and counts(etld)[1] > 10, 60, "something is stored")
    pair.follows()
    pair.fall_behind()
    before = counts(etld)
    wait_until(lambda: counts(etld)[0] > before[0] + 500 and counts(etld)[1] > before[1] + 20, 60, "it is behind")
    pair.fail_over()
    promoted, left = time.monotonic(), counts(etld)
    wait_until(lambda: counts(etld)[0] > left[0], 20, "rows come again")
    print(f"rows came again {time.monotonic() - promoted:.1f} s after the promotion")
    wait_until(lambda: counts(etld)[0] > before[0] + 600, 60, "what was missing is there")
    traffic.stop()
    report = etld.daemon.json("reconcile", "--wait", "60", check=False)
    assert report["differences"] == []
    assert report["in_flight"] == 0
    assert sum(one["rewound"] for one in report["partitions"]) > 100
    assert "records are read again" in etld.daemon.logs(5000)
    with urllib.request.urlopen(f"{etld.http}/metrics", timeout=10) as answer:
        assert b"etld_rewound_total{" in answer.read()
    assert etld.stored(*traffic.good, *traffic.repairable) == len(traffic.good) + len(traffic.repairable)
    assert etld.states() == {"resolved": len(traffic.repairable), "parked": len(traffic.hopeless) + traffic.garbage}
    timelines = "SELECT DISTINCT owner_epoch >> 40 FROM etld.kafka_position"
    wait_until(lambda: etld.sql(timelines) == [(2,)], 20, "all have claimed anew")

    pair.revive()
    with psycopg.connect(pair.first_dsn, autocommit=True) as conn:
        before = conn.execute("SELECT count(*) FROM processed_events").fetchone()
        for index in range(2):
            os.kill(etld.daemon.worker(f"processor-purchase-{index}")["pid"], signal.SIGKILL)
        wait_until(lambda: "a former primary that came back" in etld.daemon.logs(5000), 30, "it is recognized")
        traffic.send(50)
        with psycopg.connect(pair.second_dsn, autocommit=True) as other:
            asked = "SELECT count(*) FROM processed_events WHERE event_id = ANY(%s::uuid[])"
            last = traffic.good[-50:]
            wait_until(lambda: other.execute(asked, (last,)).fetchone() == (50,), 30, "the new primary has them")
        assert conn.execute("SELECT count(*) FROM processed_events").fetchone() == before
    pair.first.stop()
    report = etld.daemon.json("reconcile", "--wait", "60", check=False)
    assert (report["differences"], report["in_flight"]) == ([], 0)
    assert etld.stored(*traffic.good, *traffic.repairable) == len(traffic.good) + len(traffic.repairable)
