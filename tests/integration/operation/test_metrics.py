"""What Prometheus reads from a real daemon; the dashboard and the alerts use nothing else."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import events
from support.daemon import ROOT, Daemon
from support.exposition import Exposition, scrape
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def purchase(price: Any) -> bytes:
    """An event that is valid, or not, by its price."""
    return json.dumps(events.purchase(price=price)).encode()


def send(daemon: Daemon, body: bytes) -> int:
    """POST it; the status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{daemon.http}/track", body), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def fed(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon that was sent good, repairable, hopeless and refused requests, and one event twice."""
    daemon = make_daemon()
    try:
        daemon.start()
        daemon.cli("generate", "--count", "300", "--event-type", "order")
        twice = purchase(1.5)
        bodies = (twice, twice, purchase("1.5"), purchase("a lot"))
        assert [send(daemon, body) for body in bodies] == [200, 200, 202, 202]
        assert send(daemon, b"{") == 400

        def settled() -> bool:
            totals = daemon.status()["totals"]
            return (totals["stored"], totals["repaired"], totals["parked"]) == (302, 1, 1)

        wait_until(settled, 60, "everything has found its place", interval=0.3)
        yield daemon
    finally:
        daemon.stop()


def test_every_count(fed: Daemon) -> None:
    """As the status has them."""
    counts = {
        "accepted": 304,
        "rejected": 1,
        "stored": 302,
        "duplicate": 1,
        "dead": 2,
        "repaired": 1,
        "parked": 1,
        "dead_lettered": 2,
    }

    def counted() -> Exposition | None:
        """All in one answer: between two of them a worker may have told more."""
        found = scrape(fed.http)
        print({name: found.total(f"etld_{name}_total") for name in counts})
        agrees = all(found.total(f"etld_{name}_total") == number for name, number in counts.items())
        return found if agrees and _caught_up(found) else None

    found = wait_until(counted, 40, "every count", interval=0.5)
    assert found.total("etld_dead_letters", state="parked") == 1
    assert found.total("etld_end_to_end_seconds_count") == 303
    assert found.total("etld_end_to_end_seconds_bucket", le="60") == 303
    assert found.total("etld_batch_records_sum", worker="processor-order-0") == 300
    assert found.total("etld_batch_duration_seconds_count", worker="processor-order-0") > 0
    assert found.total("etld_queue_depth", queue="kafka") == 0
    assert (found.total("etld_broker_up"), found.total("etld_database_up"), found.total("etld_ready")) == (1, 1, 1)
    assert found.total("etld_disk_free_bytes", path=str(fed.state_dir)) > 0


def _caught_up(found: Exposition) -> Exposition | None:
    for topic, partition in itertools.product(("event_purchase", "event_order", "dead_letter_queue"), "012"):
        if found.total("etld_consumer_lag", topic=topic, partition=partition):
            return None
    return found


def test_names_and_units(fed: Daemon) -> None:
    """Prometheus's conventions: base units, counters end with _total, histograms are whole."""
    for name, family in scrape(fed.http).families.items():
        assert re.fullmatch(r"etld_[a-z_]+", name), name
        assert family.help.endswith("."), name
        assert family.help != "Counted by a worker.", f"{name} has no help of its own"
        assert family.kind in ("counter", "gauge", "histogram"), name
        assert name.endswith("_total") == (family.kind == "counter"), name
        assert not re.search(r"_(ms|millis\w*|mb|kb|mib|minutes|percent)(_|$)", name), name
        if family.kind == "histogram":
            for (sample, labels), value in family.samples.items():
                if sample.endswith("_count"):
                    buckets = sorted(
                        (float(dict(has)["le"]), v)
                        for (n, has), v in family.samples.items()
                        if n.endswith("_bucket") and has >= labels
                    )
                    assert buckets[-1] == (float("inf"), value), labels
                    assert [v for _, v in buckets] == sorted(v for _, v in buckets), labels


def test_no_counter_falls_when_workers_are_killed(fed: Daemon) -> None:
    """Scraped all the while; what they had counted outlives them."""
    names = ("processor-order-0", "corrector-0", "ingest-0")
    before = _counters(scrape(fed.http))
    restarts = ("etld_worker_restarts_total", frozenset({("worker", "processor-order-0")}))
    pids = {name: fed.worker(name)["pid"] for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    last = before

    def back() -> bool:
        nonlocal last
        workers = {worker["name"]: worker for worker in fed.status()["workers"]}
        alive = all(workers[name]["state"] == "running" and workers[name]["pid"] != pids[name] for name in names)
        try:
            now = _counters(scrape(fed.http))
        except OSError:  # nobody at the door for a moment
            return False
        fallen = {key: (value, now.get(key)) for key, value in last.items() if now.get(key, 0) < value}
        assert not fallen, fallen
        last = now
        return alive and last[restarts] > before[restarts]

    wait_until(back, 60, "the workers are back and their restarts counted")
    assert last[restarts] == before[restarts] + 1


def _counters(found: Exposition) -> dict[Any, float]:
    kinds = ("counter", "histogram")
    return {k: v for family in found.families.values() if family.kind in kinds for k, v in family.samples.items()}


def names_in(expression: str) -> set[str]:
    """The metrics of etld that a PromQL expression reads."""
    return set(re.findall(r"\betld_\w+", expression))


def known(fed: Daemon) -> set[str]:
    """Every sample name; the faults are there only while there is one."""
    return {name for name, _ in scrape(fed.http).samples} | {"etld_fault"}


def test_the_dashboard_shows_what_exists(fed: Daemon) -> None:
    """Every panel's metrics; no two panels lie on each other."""
    board = json.loads(ROOT.joinpath("docs/grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    used = set().union(*map(names_in, expressions))
    assert len(used) > 20
    # A worker that was killed a moment ago tells its gauges again once it is back.
    wait_until(lambda: used <= known(fed), 30, "every metric of a panel is there")
    places = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


def rules() -> list[tuple[str, str]]:
    """(alert, expression) of each rule; the file is kept as simple as this reads it."""
    text = ROOT.joinpath("docs/prometheus-rules.yml").read_text()
    return re.findall(r"^ +- alert: (\w+)\n +expr: (.+)$", text, re.MULTILINE)


def test_the_alerts_read_what_exists(fed: Daemon) -> None:
    """And each has its paragraph in the handbook."""
    found = rules()
    assert len(found) >= 10
    handbook = ROOT.joinpath("docs/operating.md").read_text()
    for alert, expression in found:
        assert names_in(expression) or expression.startswith("up{"), alert
        assert names_in(expression) <= known(fed), alert
        assert f"\n### {alert}\n" in handbook, alert
    assert set(re.findall(r"^### (Etld\w+)$", handbook, re.MULTILINE)) == {alert for alert, _ in found}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_likes_them(fed: Daemon) -> None:
    """The rules, and the metrics themselves."""
    subprocess.run(["promtool", "check", "rules", str(ROOT / "docs/prometheus-rules.yml")], check=True)
    with urllib.request.urlopen(f"{fed.http}/metrics", timeout=10) as answer:
        subprocess.run(["promtool", "check", "metrics"], input=answer.read(), check=True)
