"""A transform is taken by all who read the same records at one position, or by none; what was not done stays to be."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_MODULE = """\
import polars as pl

def purchase(frame):
    details = pl.col("event_details").struct
    return frame.with_columns(details.with_fields(pl.lit({price}).alias("price")).alias("event_details"))
"""


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.directory.joinpath("prices.py").write_text(_MODULE.format(price="1.0"))
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"event_types.purchase.transform": "prices:purchase", "event_types.purchase.workers": 2})
    with made.running():
        yield EtldClient(made)


@contextmanager
def load(etld: EtldClient) -> Iterator[None]:
    """Batches without end while the body runs."""
    done = threading.Event()

    def send() -> None:
        while not done.is_set():
            etld.send([purchase(price=5.0) for _ in range(100)])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def prices(etld: EtldClient) -> dict[float, int]:
    rows = etld.sql("SELECT (event_details ->> 'price')::float8, count(*) FROM processed_events GROUP BY 1")
    return {float(price): int(count) for price, count in rows}


def agree(etld: EtldClient) -> None:
    """The summary is what the table says, once all is read."""
    etld.daemon.cli("drain", "--timeout", "60")
    etld.daemon.cli("resume", "ingest")
    found = prices(etld)
    [[revenue, events]] = etld.sql("SELECT sum(revenue)::float8, sum(events)::bigint FROM etld.summary_purchase")
    assert events == sum(found.values())
    assert revenue == pytest.approx(sum(price * count for price, count in found.items()))


def test_table_and_summary_agree_over_a_change_under_load(etld: EtldClient) -> None:
    """With two processors and an aggregator, none of which is where another is."""
    with load(etld):
        wait_until(lambda: prices(etld).get(1.0, 0) > 500, 60)
        for price in ("2.0", "3.0"):
            etld.daemon.directory.joinpath("prices.py").write_text(_MODULE.format(price=price))
            told = etld.daemon.json("reload")
            assert {step["worker"] for step in told["plan"] if step["action"] == "restart"} == {
                "aggregator-0",
                "processor-purchase-0",
                "processor-purchase-1",
            }
            wait_until(lambda price=price: prices(etld).get(float(price), 0) > 300, 60)
    agree(etld)
    assert {1.0, 2.0, 3.0} == set(prices(etld))


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        (None, "nowhere:purchase", "there is no module 'nowhere'"),
        ("1 / 0\n", "wrong:purchase", "ZeroDivisionError"),
        ("x = 1\n", "wrong:purchase", "has no function 'purchase'"),
        ("import nowhere\n", "wrong:purchase", "No module named 'nowhere'"),
        ("import os\nos._exit(7)\n", "wrong:purchase", "ends the process (exit code 7)"),
        ("purchase = 7\n", "wrong:purchase", "is not a function"),
    ],
)
def test_a_module_that_cannot_be_imported_changes_nothing(
    etld: EtldClient, source: str | None, name: str, words: str
) -> None:
    """`config check`, `reload --dry-run` and `reload` name it, with its line; who works goes on."""
    daemon = etld.daemon
    if source is not None:
        daemon.directory.joinpath("wrong.py").write_text(source)
    before = [daemon.worker(one)["pid"] for one in ("aggregator-0", "processor-purchase-0", "processor-purchase-1")]
    daemon.configure({"event_types.purchase.transform": name})
    try:
        for command in (("config", "check"), ("reload", "--dry-run"), ("reload",)):
            done = daemon.cli(*command, check=False)
            assert done.returncode == 1
            assert words in done.stderr
            assert "event_types.purchase.transform" in done.stderr
        after = [daemon.worker(one)["pid"] for one in ("aggregator-0", "processor-purchase-0", "processor-purchase-1")]
        assert after == before
    finally:
        daemon.configure({"event_types.purchase.transform": "prices:purchase"})
    assert daemon.cli("reload").stdout == "nothing has changed\n"


def test_a_module_that_others_may_write_is_not_imported(etld: EtldClient) -> None:
    """By no command, and it is told how that is mended."""
    module = etld.daemon.directory.joinpath("open.py")
    module.write_text(f"open({str(etld.daemon.directory / 'ran')!r}, 'w')\ndef purchase(frame):\n    return frame\n")
    module.chmod(0o666)
    etld.daemon.configure({"event_types.purchase.transform": "open:purchase"})
    try:
        for command in (("config", "check"), ("reload", "--dry-run"), ("reload",)):
            done = etld.daemon.cli(*command, check=False)
            assert done.returncode == 1
            assert f"event_types.purchase.transform: {module} may be written by everybody: `chmod o-w" in done.stderr
        assert not etld.daemon.directory.joinpath("ran").exists()
        module.chmod(0o644)
        etld.daemon.cli("config", "check")
    finally:
        etld.daemon.configure({"event_types.purchase.transform": "prices:purchase"})


def test_a_module_that_hangs_is_named(etld: EtldClient) -> None:
    etld.daemon.directory.joinpath("hangs.py").write_text("while True:\n    pass\n")
    etld.daemon.configure({"event_types.purchase.transform": "hangs:purchase"})
    try:
        began = time.monotonic()
        done = etld.daemon.cli("reload", "--dry-run", check=False)
        assert "hangs:purchase: its import does not end within 10 s" in done.stderr
        assert time.monotonic() - began < 30
    finally:
        etld.daemon.configure({"event_types.purchase.transform": "prices:purchase"})


def test_what_no_worker_could_start_with_is_taken_by_none_and_again_with_the_next_reload(etld: EtldClient) -> None:
    """Importable for the check, and not for a worker: all go on by the old one, and the next reload does it."""
    daemon = etld.daemon
    flag = daemon.directory / "mended"
    source = f"import os, sys\nif 'etld.worker' in sys.modules and not os.path.exists({str(flag)!r}):\n    1 / 0\n"
    daemon.directory.joinpath("late.py").write_text(source + _MODULE.format(price="4.0"))
    daemon.configure({"event_types.purchase.transform": "late:purchase"})
    done = daemon.cli("reload", check=False)
    assert done.returncode == 1
    assert "does not come up" in done.stderr
    wait_until(lambda: daemon.status()["state"] == "ready", 30)
    count = prices(etld).get(3.0, 0)
    etld.send([purchase(price=5.0) for _ in range(50)])
    wait_until(lambda: prices(etld).get(3.0, 0) >= count + 50, 30)
    agree(etld)
    flag.touch()
    assert "processor-purchase-0" in daemon.cli("reload").stdout
    etld.send([purchase(price=5.0) for _ in range(50)])
    wait_until(lambda: prices(etld).get(4.0, 0) >= 50, 30)
    agree(etld)
    assert daemon.cli("reload").stdout == "nothing has changed\n"
