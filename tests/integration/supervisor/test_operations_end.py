"""Operations come to an end: by a deadline, by hand, by a newer one; a mended file is then taken without a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from etld.control.client import RequestRefused
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.fake_workers_daemon import ROOT, FakeWorkersDaemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration

REFUND = f'[event_types.refund]\nschema = "{ROOT}/schemas/order.avsc"\n'


class Asker(threading.Thread):
    """A client that waits for a reload; `refused` is the code of the answer."""

    def __init__(self, etld: FakeWorkersDaemon) -> None:
        super().__init__()
        self._etld = etld
        self.refused = ""
        self.start()

    def run(self) -> None:
        try:
            self._etld.ask("reload")
        except RequestRefused as refused:
            self.refused = str(refused.error["code"])


def under_way(etld: FakeWorkersDaemon, text: str) -> None:
    wait_until(lambda: str(etld.status()["operation"]).startswith(text), what=text)


def test_a_set_up_that_comes_to_no_end(etld: FakeWorkersDaemon) -> None:
    """Its reload ends by its time, by a newer one and by hand, and each time all is as before."""
    etld.start()
    before, text = etld.pids(), etld.config.read_text()
    (etld.state / "setup.waits").touch()

    etld.config.write_text(text + REFUND)
    done = etld.cli("reload", "--timeout", "1")
    assert done.returncode == 1
    assert "reload: setup: not done within 1 s (setup is starting)" in done.stderr
    wait_until(lambda: etld.state_is("ready"))

    first = Asker(etld)
    under_way(etld, "reload: setup")
    assert "reload: setup is under way" in etld.cli("scale", "ingest", "2").stderr
    etld.config.write_text(text + "nonsense = 1\n")
    assert etld.cli("reload").returncode == 1  # a file with a mistake takes nobody's place
    assert first.is_alive()
    etld.config.write_text(text)
    assert etld.cli("reload").returncode == 0
    first.join()
    assert (first.refused, etld.state_is("ready"), etld.pids()) == ("replaced", True, before)

    etld.config.write_text(text + REFUND)
    second = Asker(etld)
    under_way(etld, "reload: setup")
    assert etld.cli("cancel").stdout == "reload was cancelled\n"
    second.join()
    assert second.refused == "cancelled"
    assert "nothing is under way" in etld.cli("cancel").stderr
    wait_until(lambda: etld.state_is("ready"))

    interrupted = subprocess.Popen(
        [sys.executable, "-c", "from etld.cli import main; main()", "--config", str(etld.config), "reload"],
        stderr=subprocess.PIPE,
        text=True,
    )
    under_way(etld, "reload: setup")
    interrupted.send_signal(signal.SIGINT)
    assert "the reload goes on in the daemon" in interrupted.communicate(timeout=20)[1]
    assert interrupted.returncode == 130
    under_way(etld, "reload: setup")
    (etld.state / "setup.waits").unlink()
    wait_until(lambda: etld.status()["operation"] is None)
    assert etld.status()["last_operation"] == {"name": "reload", "error": None}
    assert (etld.cli("reload").stdout, etld.pids()) == ("nothing has changed\n", before)


def test_workers_that_do_not_become_ready_or_do_not_stop(etld: FakeWorkersDaemon) -> None:
    """A reload with a mended file replaces the first; the second is killed when its time is over."""
    etld.start()
    etld.config.write_text(etld.config.read_text() + '[processor]\nlinger = "66 ms"\n')  # NEVER_READY
    done = etld.cli("reload", "--timeout", "2")
    assert "reload: good-0 (1 of 2): not done within 2 s (good-0 is starting)" in done.stderr
    etld.edit('linger = "66 ms"', 'linger = "80 ms"')
    assert etld.cli("reload").returncode == 0
    assert etld.state_is("ready")
    os.kill(etld.pids()["good-1"], signal.SIGSTOP)
    assert etld.cli("restart", "good").returncode == 0
    assert etld.state_is("ready")


_HANGS_LATE = "import sys\nwhile 'etld.worker' in sys.modules:\n    pass\n"
_GOOD = """\
import polars as pl
def purchase(frame):
    details = pl.col("event_details").struct
    return frame.with_columns(details.with_fields(pl.lit(2.0).alias("price")).alias("event_details"))
"""


@pytest.fixture(scope="module")
def real(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    made = make_daemon()
    made.configure({"supervisor.hang_timeout": "3 s", "supervisor.stop_timeout": "6 s", "python.path": ["."]})
    with made.running():
        yield EtldClient(made)


def test_a_summary_that_cannot_be_made_leaves_the_others_at_work(real: EtldClient) -> None:
    """And columns may be called whatever etld's own statements call theirs."""
    real.sql("CREATE VIEW etld.summary_taken AS SELECT 1 AS one")
    summary = {"event_types": ["purchase"], "measures": {"seconds": "count", "t": {"avg": "event_details.price"}}}
    names = {"days": "user_details.country", "g": "event_name", "excluded": "event_type"}
    chart = {"name": "odd", "title": "Odd", "panels": [{"kind": "line", "value": "seconds", "by": "g"}]}
    odd = {**summary, "bucket": "1 h", "group_by": names, "chart": chart}
    real.daemon.configure({"summaries.taken": {**summary, "bucket": "1 h"}, "summaries.odd": odd})
    real.daemon.cli("reload")
    wait_until(lambda: "summary taken is not kept up to date" in str(real.daemon.status()["faults"]), 30)
    real.send([purchase(price=5.0) for _ in range(20)])
    for table, count in (("purchase", "events"), ("odd", "seconds")):
        query = f"SELECT coalesce(sum({count}), 0)::int FROM etld.summary_{table}"
        wait_until(lambda query=query: real.sql(query) == [(20,)], 30, table)
    assert real.sql("SELECT DISTINCT t::float8, g, excluded FROM etld.summary_odd") == [
        (5.0, "payment_successful", "purchase")
    ]
    assert "odd" in real.daemon.cli("charts").stdout
    settings = real.daemon.settings()
    settings["summaries"]["ctid"] = {**summary, "bucket": "1 h", "group_by": {"ctid": "event_name"}}
    del settings["summaries"]["taken"]
    real.daemon.write(settings)
    for command in (("config", "check"), ("reload",)):
        assert "the column ctid is PostgreSQL's own already" in real.daemon.cli(*command, check=False).stderr
    del settings["summaries"]["ctid"]
    real.daemon.write(settings)
    real.daemon.cli("reload")
    wait_until(lambda: real.daemon.status()["state"] == "ready", 30)


def test_a_transform_that_hangs_only_in_a_worker_is_mended_by_the_next_reload(real: EtldClient) -> None:
    """While the reload with the one that hangs is under way."""
    module = real.daemon.directory / "priced.py"
    module.write_text(_HANGS_LATE + _GOOD)
    real.daemon.configure({"event_types.purchase.transform": "priced:purchase"})
    first: list[str] = []
    hanging = threading.Thread(target=lambda: first.append(real.daemon.cli("reload", check=False).stderr))
    hanging.start()
    wait_until(lambda: real.daemon.worker("processor-purchase-0")["state"] == "starting", 30)
    module.write_text(_GOOD)
    began = time.monotonic()
    assert "processor-purchase-0" in real.daemon.cli("reload").stdout
    assert time.monotonic() - began < 60
    hanging.join()
    assert "a newer reload takes its place" in first[0]
    real.send([purchase(price=5.0) for _ in range(10)])
    query = "SELECT count(*)::int FROM processed_events WHERE (event_details ->> 'price')::float8 = 2"
    wait_until(lambda: real.sql(query) == [(10,)], 30)
    assert real.daemon.status()["state"] == "ready"
