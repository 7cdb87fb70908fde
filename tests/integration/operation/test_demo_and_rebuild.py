"""The demo where some events never become rows, and a summary that differs, found and filled anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = pytest.mark.integration

TRANSFORM = """import polars as pl


def order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns((pl.col("event_name") == "order_shipped").alias("etld_drop"))
"""


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """A daemon that samples purchases and filters orders."""
    made = make_daemon()
    (made.directory / "functions").mkdir(mode=0o755)
    (made.directory / "functions" / "of_orders.py").write_text(TRANSFORM)
    made.configure(
        {
            "python.path": ["./functions"],
            "event_types.order.transform": "of_orders:order",
            "event_types.purchase.sample": {"added_to_cart": 0, "checkout_initiated": 0.5},
        }
    )
    with made.running():
        yield EtldClient(made)


def test_the_demo_counts_what_is_left_out(etld: EtldClient) -> None:
    """Sampled or filtered, no event is waited for that cannot come."""
    told = etld.daemon.cli("demo", "--count", "90").stdout
    sampled = next(int(line.split()[-1]) for line in told.splitlines() if "sampled out" in line)
    ((stored,),) = etld.sql("SELECT count(*) FROM processed_events")
    assert sampled > 0
    assert f"Of {90 - sampled} events: {stored} stored, {90 - sampled - stored} filtered" in told
    assert 0 < stored < 90 - sampled


def test_a_summary_that_differs_is_named_and_filled_anew(etld: EtldClient) -> None:
    """After `etld summaries rebuild` all accounts agree, and the stream has gone on."""
    daemon = etld.daemon
    wait_until(lambda: daemon.cli("reconcile", check=False).returncode == 0, 60, "reconcile is content")
    assert etld.sql("SELECT ok, verdict FROM etld.last_reconcile") == [(True, "everything agrees")]
    etld.sql("UPDATE etld.summary_delivery SET shipments = shipments + 1")
    told = daemon.json("reconcile", check=False)
    assert told["ok"] is False
    assert [one["name"] for one in told["summaries"] if not one["equal"]] == ["delivery"]
    assert etld.sql("SELECT ok, differences FROM etld.last_reconcile") == [(False, len(told["differences"]))]
    assert "delivery" in daemon.cli("reconcile", check=False).stdout
    assert "did you mean" in daemon.cli("summaries", "rebuild", "deliver", check=False).stderr
    assert "summary delivery is filled" in daemon.cli("summaries", "rebuild", "delivery", "--wait", "60").stdout
    daemon.cli("generate", "--count", "30", "--event-type", "delivery")
    wait_until(lambda: daemon.cli("reconcile", check=False).returncode == 0, 60, "reconcile is content again")


def test_summaries_that_the_aggregator_keeps_back_are_a_difference(etld: EtldClient) -> None:
    """Once nothing is in flight: a script has to hear that they were not compared."""
    daemon = etld.daemon
    daemon.cli("pause", "aggregator")
    daemon.cli("generate", "--count", "30", "--event-type", "delivery")
    wait_until(lambda: daemon.json("reconcile", check=False)["in_flight"] == 0, 60, "the processors are done")
    done = daemon.cli("reconcile", check=False)
    assert done.returncode == 1
    assert "summary delivery: not compared" in " ".join(done.stdout.split())
    daemon.cli("resume", "aggregator")
    assert daemon.cli("reconcile", "--wait", "60").returncode == 0
