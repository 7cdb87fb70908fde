"""A fault of the broker, the database, the disk or a worker is told within five seconds; so is its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etld.control.client import ControlConnection
from etld.embedded import probe
from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem
from etld.kafka.types import Partition
from support.daemon import Daemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration

WITHIN = 5.0


@pytest.fixture(scope="module")
def frail(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon to break; every test leaves it well."""
    daemon = make_daemon()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


def get(daemon: Daemon, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body; (0, {}) when nobody answers."""
    try:
        with urllib.request.urlopen(daemon.http + path, timeout=2) as answer:
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


def health(daemon: Daemon) -> dict[str, Any]:
    """What `etld health` is told."""
    with ControlConnection(daemon.state_dir / "etld.sock", 10.0) as connection:
        return connection.ask("health")


def told(daemon: Daemon, needle: str) -> Callable[[], bool]:
    """Do the health and the HTTP port say that this is wrong?"""

    def check() -> bool:
        reply, (_, body) = health(daemon), get(daemon, "/healthz")
        return any(needle in problem for problem in reply["problems"]) and any(
            needle.split(":", maxsplit=1)[0] in problem for problem in body.get("problems", ())
        )

    return check


def well(daemon: Daemon) -> bool:
    """Is everything well, and does everybody say so?"""
    probes = [get(daemon, path) for path in ("/healthz", "/readyz")]
    return health(daemon)["healthy"] and all(p == (200, {**p[1], "daemon": "ready", "problems": []}) for p in probes)


def in_time(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, WITHIN, what)


def all_is_well(daemon: Daemon, within: float = WITHIN) -> None:
    """In time, or what is not."""
    try:
        wait_until(lambda: well(daemon), within, "all is well again")
    except AssertionError as error:
        raise AssertionError(f"{error}: {health(daemon)}, {get(daemon, '/readyz')}") from None


def below(daemon: Daemon, name: str) -> list[int]:
    """The processes of an embedded server, and of whatever it has started."""

    def children(pid: int) -> list[int]:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found + [grand for child in found for grand in children(child)]

    return children(daemon.worker(name)["pid"])


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def test_well(frail: Daemon) -> None:
    """All three commands say so."""
    wait_until(lambda: well(frail), 10, "all is well")
    for options in ((), ("--live",), ("--ready",)):
        assert frail.cli("health", *options).returncode == 0


def test_a_broker_that_hangs(frail: Daemon) -> None:
    """No event would be accepted; all the same the daemon is alive."""
    pids = below(frail, "embedded-kafka")
    signal_all(pids, signal.SIGSTOP)
    try:
        in_time(lambda: get(frail, "/readyz")[0] == 503, "/readyz refuses")
        in_time(told(frail, "ingest-0: kafka"), "the fault is told")
        assert get(frail, "/healthz")[0] == 200
        assert frail.cli("health", "--ready", check=False).returncode == 1
        assert frail.cli("health", "--live").returncode == 0
    finally:
        signal_all(pids, signal.SIGCONT)
    all_is_well(frail)


def test_an_idle_consumer_tells_of_a_broker_that_hangs(frail: Daemon) -> None:
    """The client library says nothing of it for a minute; afterwards the group may have to be joined anew."""
    pids = below(frail, "embedded-kafka")
    signal_all(pids, signal.SIGSTOP)
    try:
        wait_until(told(frail, "processor-order-0: kafka"), 15, "the fault is told")
    finally:
        signal_all(pids, signal.SIGCONT)
    all_is_well(frail, 30)


def test_a_broker_that_hangs_for_a_moment(frail: Daemon) -> None:
    """Also when it is not long enough for anybody to lose a partition: what was told of it ends by itself.

    The client library waits for ever for partitions' leaders when it was not told of them in time.
    """
    admin = Admin(frail.kafka_client())
    topics = [Partition(topic, 0) for topic in ("event_order", "event_purchase", "event_delivery")]
    pids = below(frail, "embedded-kafka")
    for seconds in (2.0, 3.0, 4.0):
        wait_until(lambda: answered(admin, topics), 10, "the broker tells where partitions end")
        signal_all(pids, signal.SIGSTOP)
        try:
            until = time.monotonic() + seconds
            wait_until(lambda: not answered(admin, topics), 10, "the broker is silent")
            while time.monotonic() < until:
                assert not answered(admin, topics)
        finally:
            signal_all(pids, signal.SIGCONT)
        wait_until(lambda: answered(admin, topics), 10, "the broker tells it again")
        all_is_well(frail, 30)


def answered(admin: Admin, partitions: list[Partition]) -> bool:
    """Asked as a worker does while nothing comes."""
    try:
        return admin.ends(partitions, 1.0).keys() == set(partitions)
    except KafkaProblem:
        return False


@pytest.mark.parametrize(
    ("name", "needle", "accepts"),
    [("embedded-kafka", "kafka", False), ("embedded-postgres", "postgres", True)],
    ids=["kafka", "postgres"],
)
def test_a_server_that_is_gone_for_long(frail: Daemon, name: str, needle: str, accepts: bool) -> None:
    """Nobody waits longer for its return than five seconds, however long it was away."""
    worker, pids = frail.worker(name)["pid"], below(frail, name)
    os.kill(worker, signal.SIGSTOP)  # it would start the server again
    signal_all(pids, signal.SIGKILL)
    try:
        in_time(told(frail, f"processor-order-0: {needle}"), "the fault is told")
        if not accepts:
            in_time(lambda: get(frail, "/readyz")[0] == 503, "/readyz refuses")
        until = time.monotonic() + 8  # long enough for the longest pause between two attempts
        while time.monotonic() < until:
            assert (get(frail, "/readyz")[0] == 200) is accepts
            assert not health(frail)["healthy"]
            time.sleep(0.1)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_until(lambda: answers(frail, name), 60, f"{name} answers", interval=0.02)
    all_is_well(frail)


def answers(daemon: Daemon, name: str) -> bool:
    settings = daemon.settings()
    if name == "embedded-kafka":
        return probe.kafka(settings["kafka"]["embedded_port"])
    return probe.postgres(settings["postgres"]["embedded_port"], "etld", "etld")


def test_a_database_that_hangs(frail: Daemon) -> None:
    """Its processes are there and say nothing: events are still accepted."""
    pids = below(frail, "embedded-postgres")
    signal_all(pids, signal.SIGSTOP)
    try:
        in_time(told(frail, "embedded-postgres: silent"), "the fault is told")
        assert get(frail, "/readyz")[0] == 200
        assert not health(frail)["healthy"]
    finally:
        signal_all(pids, signal.SIGCONT)
    all_is_well(frail)


@pytest.mark.parametrize("name", ["processor-order-0", "aggregator-0", "corrector-0"])
def test_a_worker_that_hangs(frail: Daemon, name: str) -> None:
    """Told before it is killed for it."""
    pid = frail.worker(name)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        in_time(told(frail, f"{name}: silent"), "the fault is told")
        assert frail.worker(name)["pid"] == pid
    finally:
        os.kill(pid, signal.SIGCONT)
    all_is_well(frail)


def test_ingest_that_hangs(frail: Daemon) -> None:
    """Nobody is at the door, so nothing is accepted."""
    pid = frail.worker("ingest-0")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        in_time(lambda: not health(frail)["ready"], "not ready")
        assert get(frail, "/readyz") == (0, {})
    finally:
        os.kill(pid, signal.SIGCONT)
    all_is_well(frail)


def test_a_worker_that_is_killed(frail: Daemon) -> None:
    """Told at once, and over as soon as its successor is ready."""
    os.kill(frail.worker("processor-order-0")["pid"], signal.SIGKILL)
    in_time(lambda: not health(frail)["healthy"], "the fault is told")
    all_is_well(frail)


def test_a_disk_that_is_full_or_read_only(frail: Daemon) -> None:
    """Here that of the pictures, mounted over their directory while all runs."""
    charts = frail.directory / "event_summary_charts"
    charts.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(charts)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        (charts / "big").write_bytes(bytes(4 << 20))
        in_time(told(frail, "supervisor: disk"), "a full disk is told")
        assert "is full" in str(health(frail)["problems"])
        (charts / "big").unlink()
        all_is_well(frail)
        subprocess.run(["mount", "-o", "remount,ro", str(charts)], check=True)
        in_time(told(frail, "supervisor: disk"), "a read-only disk is told")
        assert "is read-only" in str(health(frail)["problems"])
    finally:
        subprocess.run(["umount", str(charts)], check=True)
    all_is_well(frail)
