"""Records are read again into a shadow, which replaces: with live traffic, kills, and exact books."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_TRANSFORM = """
import polars as pl

def purchase(frame):
    details = frame["event_details"].struct
    left_out = details.field("item_name") == "left out"
    frame = frame.with_columns(pl.col("event_details").struct.with_fields(pl.field("price") * FACTOR))
    return frame.with_columns(etld_drop=left_out & DROPS)
"""
_READ = "SELECT coalesce(sum(consumed), 0)::int FROM etld.kafka_position WHERE consumer_group = 'etld-rebuild-purchase'"


def transform(made: Daemon, factor: float, *, drops: bool) -> None:
    text = _TRANSFORM.replace("FACTOR", str(factor)).replace("DROPS", str(drops))
    made.directory.joinpath("priced.py").write_text(text)


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    transform(made, 2.0, drops=True)
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"event_types.purchase.transform": "priced:purchase"})
    with made.running():
        yield EtldClient(made)


@contextmanager
def no_exchange(etld: EtldClient) -> Iterator[None]:
    """What was read does not replace yet: as while retention removes something."""
    with psycopg.connect(etld.dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(hashtext('etld.retention'))")
        yield


@contextmanager
def rebuilding(etld: EtldClient, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`etld rebuild` at work; killed at the end, if it still is."""
    program = str(Path(sys.executable).with_name("etld"))
    made = etld.daemon
    with subprocess.Popen(
        [program, "rebuild", *arguments], env=made.env, cwd=made.directory, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def traffic(etld: EtldClient) -> Iterator[list[dict[str, Any]]]:
    """Events sent all the while, of two types; those that were accepted."""
    sent: list[dict[str, Any]] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.05):
            some = [purchase() for _ in range(5)]
            etld.send([*some, {"event_id": purchase()["event_id"], **event("order")}])
            sent.extend(some)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def prices(etld: EtldClient, events: list[dict[str, Any]]) -> set[float]:
    """The prices of stored events."""
    rows = etld.sql(
        "SELECT (event_details ->> 'price')::float FROM processed_events WHERE event_id = ANY(%s::uuid[])",
        [one["event_id"] for one in events],
    )
    return {price for (price,) in rows}


def agreed(etld: EtldClient) -> None:
    """All accounts agree, and all summaries are filled and equal."""

    def well() -> bool:
        told = etld.daemon.json("reconcile", check=False)
        return bool(told["ok"] and not told["in_flight"] and all(one["equal"] for one in told["summaries"]))

    try:
        wait_until(well, 90, "reconcile is content")
    except AssertionError:
        raise AssertionError(etld.daemon.cli("reconcile", check=False).stdout) from None


def test_a_bad_transform_is_made_good(etld: EtldClient) -> None:
    """With traffic and kills in the middle; what the transform left out comes, what it spoilt is replaced."""
    made = etld.daemon
    before = [purchase() for _ in range(300)]
    left_out = [purchase(item_name="left out") for _ in range(20)]
    etld.send(before[:150] + left_out + before[150:])
    # A retry, a broken record, and a repair: each once, before and after.
    etld.send(before[:10])
    dead = purchase()["event_id"]
    etld.produce(dead, b"\0\0\0\0\1broken")
    repaired = purchase(price=" 12.5 ")
    etld.track(repaired)
    etld.letter(repaired["event_id"], "resolved")
    etld.letter(dead, "parked")
    wait_until(lambda: etld.stored(*(one["event_id"] for one in before)) == 300, 60, "they are stored")
    assert prices(etld, before) == {25.0}
    letters = etld.states()

    transform(made, 1.0, drops=False)
    made.cli("reload")
    with traffic(etld) as live:
        with no_exchange(etld), rebuilding(etld, "--from", "earliest", "purchase") as process:
            wait_until(lambda: etld.sql(_READ)[0][0] >= 320, 90, "it is reading")
            process.send_signal(signal.SIGKILL)
            process.wait()
            for name in ("processor-purchase-0", "aggregator-0"):
                os.kill(made.worker(name)["pid"], signal.SIGKILL)
            assert prices(etld, before) == {25.0}
            refused = made.cli("rebuild", "--from", "earliest", check=False)
            assert "a rebuild of purchase is under way" in refused.stderr
            refused = made.cli("forget", "user_id=7", "--yes", check=False)
            assert "a rebuild of purchase is under way" in refused.stderr
        said = made.cli("rebuild").stdout
        assert "purchase: replaced" in said, said
        assert prices(etld, [*before, *left_out, repaired]) == {12.5}
        assert etld.stored(*(one["event_id"] for one in left_out)) == 20
    wait_until(lambda: etld.stored(*(one["event_id"] for one in live)) == len(live), 60, "all are stored")
    assert prices(etld, live) == {12.5}
    agreed(etld)
    assert etld.states() == letters
    total = len(before) + len(left_out) + len(live) + 1
    assert etld.sql("SELECT count(*) FROM processed_events WHERE event_type = 'purchase'") == [(total,)]

    # What went is kept until it is dropped, and so long nobody is forgotten.
    went = "SELECT count(*), min((event_details ->> 'price')::float) FROM etld.replaced_purchase"
    assert etld.sql(went) == [(301, 25.0)]
    refused = made.cli("forget", "user_id=7", "--yes", check=False)
    assert "keeps the rows that it replaced" in refused.stderr
    assert "of purchase" in made.cli("rebuild", "--drop-replaced").stdout
    assert etld.sql("SELECT to_regclass('etld.replaced_purchase')") == [(None,)]


def test_from_a_time_on_and_cancelled(etld: EtldClient) -> None:
    """What was accepted before stays, and a rebuild that is given up has changed nothing."""
    made = etld.daemon
    early = [purchase() for _ in range(50)]
    etld.send(early)
    wait_until(lambda: etld.stored(*(one["event_id"] for one in early)) == 50, 60, "they are stored")
    middle = datetime.now(UTC)
    late = [purchase() for _ in range(50)]
    etld.send(late)
    wait_until(lambda: etld.stored(*(one["event_id"] for one in late)) == 50, 60, "they are stored")
    # Lost by mistake: `reconcile` names them, and they come back.
    etld.sql("DELETE FROM processed_events WHERE event_id = ANY(%s::uuid[])", [one["event_id"] for one in late[:5]])
    transform(made, 3.0, drops=False)
    made.cli("reload")
    with no_exchange(etld), rebuilding(etld, "--from", middle.isoformat(), "purchase") as process:
        wait_until(lambda: etld.sql(_READ)[0][0] == 50, 90, "it is reading")
        said = made.cli("rebuild", "--cancel").stdout
        assert "cancelled the rebuild of purchase" in said
        assert process.wait(30) == 0
    assert prices(etld, early + late) == {12.5}
    assert etld.sql("SELECT to_regclass('etld.rebuild_event')") == [(None,)]

    said = made.cli("rebuild", "--from", middle.isoformat(), "--drop-replaced").stdout
    assert "purchase: replaced. 50 rows stand for what was read: 45 went, 50 came" in said
    assert "order: replaced. 0 rows" in said
    assert prices(etld, early) == {12.5}
    assert prices(etld, late) == {37.5}
    assert etld.stored(*(one["event_id"] for one in late)) == 50
    assert etld.sql("SELECT count(*) FROM etld.rebuild") == [(0,)]
    agreed(etld)


def test_mistakes_are_named(etld: EtldClient) -> None:
    """And nothing is begun."""
    for arguments, words in (
        (("--from", "earliest", "purchas"), "there is no event type 'purchas'"),
        (("--from", "yesterday"), "--from yesterday: expected a time such as"),
        ((), "no rebuild is under way"),
        (("--cancel",), "no rebuild is under way"),
    ):
        done = etld.daemon.cli("rebuild", *arguments, check=False)
        assert words in done.stdout + done.stderr
    assert "nothing is kept" in etld.daemon.cli("rebuild", "--drop-replaced").stdout
