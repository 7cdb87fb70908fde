"""Records that a processor has passed are read again: into the same table, each once, with exact books."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_TRANSFORM = """
import polars as pl

def purchase(frame):
    names = frame["event_details"].struct.field("item_name")
    return frame.with_columns(etld_drop=names == "left out")
"""


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.directory.joinpath("picky.py").write_text(_TRANSFORM)
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"event_types.purchase.transform": "picky:purchase"})
    with made.running():
        yield EtldClient(made)


def consumed(etld: EtldClient) -> int:
    """Records that the processor has read in the present lives of its positions."""
    found = etld.sql("SELECT sum(consumed) FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'")
    return int(found[0][0])


def test_what_a_transform_left_out_comes_when_it_is_mended(etld: EtldClient) -> None:
    """While events flow; no other row comes twice, dead letters stay one each, and the summaries can be mended."""
    before = [purchase() for _ in range(300)]
    left_out = [purchase(item_name="left out") for _ in range(20)]
    dead = [purchase() for _ in range(5)]
    etld.send(before[:150] + left_out + before[150:])
    etld.produce_all([(one["event_id"], b"\0\0\0\0\1broken") for one in dead])
    wait_until(lambda: consumed(etld) == 325, 60, "all are read")
    middle = datetime.now(UTC)
    letters = "SELECT count(*) FROM etld.dead_letter WHERE topic = 'event_purchase'"
    wait_until(lambda: etld.sql(letters) == [(5,)], 60, "the broken are dead letters")
    assert etld.stored(*(one["event_id"] for one in left_out)) == 0

    etld.daemon.directory.joinpath("picky.py").write_text(_TRANSFORM.replace('"left out"', '"nothing"'))
    etld.daemon.cli("reload")
    later = [purchase() for _ in range(100)]
    etld.send(later[:50])
    said = etld.daemon.cli("rewind", "processor", "purchase", "--to", "earliest").stdout
    assert "is read again from offset 0 on" in said
    etld.send(later[50:])
    events = before + left_out + later
    wait_until(lambda: etld.stored(*(one["event_id"] for one in events)) == len(events), 60, "all are stored")
    wait_until(lambda: consumed(etld) == 425, 60, "all are read again")
    assert etld.sql("SELECT count(*) FROM processed_events") == [(420,)]
    # What the daemon counts goes on over the lives of positions: what is read again is duplicate.
    wait_until(lambda: etld.daemon.status()["totals"]["stored"] == 420, 30, "the totals have no gap")
    assert etld.daemon.status()["totals"]["duplicate"] >= 300
    wait_until(lambda: etld.daemon.json("reconcile", check=False)["in_flight"] == 0, 60, "nothing is on its way")
    assert etld.sql(letters) == [(5,)]
    report = etld.daemon.json("reconcile", check=False)
    assert report["differences"]
    assert all("etld.summary_" in one for one in report["differences"])
    for one in report["summaries"]:
        if not one["equal"]:
            etld.daemon.cli("summaries", "rebuild", one["name"], "--wait", "60")
    assert etld.daemon.json("reconcile", "--wait", "120")["ok"]

    # From a time on: only what is younger; nothing new comes that would have the processor look.
    etld.daemon.cli("rewind", "processor", "purchase", "--to", middle.isoformat())
    wait_until(lambda: consumed(etld) == 100, 60, "the later ones are read once more")
    assert etld.sql("SELECT count(*) FROM processed_events") == [(420,)]
    wait_until(lambda: etld.daemon.json("reconcile", check=False)["in_flight"] == 0, 60, "nothing is on its way")
    assert etld.daemon.json("reconcile", "--wait", "120")["ok"]


def test_mistakes_are_named(etld: EtldClient) -> None:
    """And nothing is moved."""
    for arguments, words in (
        (("purchas", "--to", "earliest"), "there is no event type 'purchas'"),
        (("purchase", "--to", "yesterday"), "--to yesterday: expected a time such as"),
        (("purchase", "--to", "2100-01-01"), "nothing to read again"),
    ):
        done = etld.daemon.cli("rewind", "processor", *arguments, check=False)
        assert words in done.stdout + done.stderr
