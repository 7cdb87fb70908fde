"""Workers that hang, leak, end, or talk too much: each is dealt with, the others never notice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from support.fake_workers_daemon import FakeWorkersDaemon
from support.processes import alive
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def undisturbed(etld: FakeWorkersDaemon) -> tuple[int, int]:
    """The well-behaved siblings, by pid."""
    pids = etld.pids()
    return pids["good-0"], pids["good-1"]


def test_a_killed_worker_is_back_within_two_seconds(etld: FakeWorkersDaemon) -> None:
    """Whichever it is."""
    etld.start()
    wait_until(lambda: etld.worker("good-0")["uptime_s"] > 1.2)
    for name, pid in etld.pids().items():
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda n=name, p=pid: etld.worker(n)["state"] == "running" and etld.worker(n)["pid"] != p, 5)
        assert time.monotonic() - killed < 2.0, name
        assert etld.worker(name)["restarts"] == 1
        assert etld.worker(name)["last_error"] == "killed by SIGKILL"
    assert etld.cli("health").returncode == 0


@pytest.mark.parametrize("name", ["spin", "frozen"])
def test_a_hung_worker_is_dumped_and_replaced(etld: FakeWorkersDaemon, name: str) -> None:
    """Its stacks are in the log; the siblings keep their pids."""
    etld.start(f"support.fake_workers:{name.upper()}")
    before = undisturbed(etld)
    wait_until(lambda: etld.worker(f"{name}-0")["restarts"] >= 1, 10, "a restart")
    assert etld.worker(f"{name}-0")["last_error"].startswith("hung: no message for")
    told = next(row for row in etld.log() if "stacks of its threads" in row["msg"])
    assert (told["worker"], told["level"]) == (f"{name}-0", "error")
    assert "Fatal Python error: Aborted" in told["msg"]
    assert f"in {name}\n" in told["trace"]
    assert all(line.startswith("{") for line in etld.stderr.read_text().splitlines())
    assert undisturbed(etld) == before


def test_the_stacks_of_a_child_of_the_program_before(etld: FakeWorkersDaemon) -> None:
    """An embedded part outlives the supervisor's program; how it crashes is told all the same."""
    etld.start()
    assert etld.cli("restart").returncode == 0
    os.kill(etld.pids()["ground"], signal.SIGSEGV)
    wait_until(lambda: etld.worker("ground")["restarts"] == 1)
    told = next(row for row in etld.log() if "stacks of its threads" in row["msg"])
    assert (told["worker"], "in ground\n" in told["trace"]) == ("ground", True)


def test_an_aborted_supervisor_leaves_its_stacks(etld: FakeWorkersDaemon) -> None:
    """As when systemd's watchdog ends it."""
    etld.start()
    assert etld.process is not None
    os.kill(etld.process.pid, signal.SIGABRT)
    etld.process.wait(10)
    assert "in loop\n" in etld.stderr.read_text()


def test_a_stopped_process_is_killed(etld: FakeWorkersDaemon) -> None:
    """SIGSTOP: it cannot even write its stacks."""
    etld.start()
    pid = etld.worker("good-1")["pid"]
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: etld.worker("good-1")["pid"] not in (pid, None) and etld.worker("good-1")["state"] == "running")
    assert not alive(pid)


def test_a_supervisor_that_was_stopped_blames_nobody(etld: FakeWorkersDaemon) -> None:
    """All beats look old when it wakes."""
    etld.start()
    before = etld.pids()
    assert etld.process is not None
    etld.process.send_signal(signal.SIGSTOP)
    time.sleep(4.5)  # longer than the loop may be away
    etld.process.send_signal(signal.SIGCONT)
    wait_until(lambda: etld.state_is("ready"))
    assert etld.pids() == before


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """A machine on which so many others want the CPUs."""
    running = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
        for one in running:
            one.wait()


def test_on_a_busy_machine_only_those_that_hang_are_killed(etld: FakeWorkersDaemon) -> None:
    """Not those that get hardly any CPU, though they are silent for longer than hang_timeout, too."""
    etld.start("support.fake_workers:SPINS_LATER")
    wait_until(lambda: etld.worker("spins-0")["uptime_s"] > 1.2)
    before = etld.pids()
    innocent = ("ground", "good-0", "ingest-0")
    for name in innocent:
        os.sched_setscheduler(before[name], os.SCHED_IDLE, os.sched_param(0))
    with busy(20):
        os.kill(before["good-1"], signal.SIGSTOP)
        (etld.state / "spin.now").touch()
        for name in ("good-1", "spins-0"):
            wait_until(lambda name=name: etld.worker(name)["restarts"] >= 1, 40, f"{name} is replaced")
            assert "hung: no message for" in etld.worker(name)["last_error"]
        (etld.state / "spin.now").unlink()
    assert [etld.pids()[name] for name in innocent] == [before[name] for name in innocent]
    assert not [row["msg"] for row in etld.log() if "hung" in row["msg"] and row["msg"].startswith(innocent)]


def test_a_machine_that_was_stopped_blames_nobody(etld: FakeWorkersDaemon) -> None:
    """The supervisor may be the first to go on."""
    etld.edit('hang_timeout = "1 s"', 'hang_timeout = "2500 ms"')
    etld.start()
    before = etld.pids()
    assert etld.process is not None
    everybody = (etld.process.pid, *before.values())
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3.0)  # longer than hang_timeout
    os.kill(everybody[0], signal.SIGCONT)
    wait_until(lambda: etld.status()["state"])
    for pid in everybody[1:]:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: etld.state_is("ready"))
    assert etld.pids() == before


def test_a_worker_that_grows_is_recycled(etld: FakeWorkersDaemon) -> None:
    """Past max_memory (200 MiB)."""
    etld.start("support.fake_workers:GREEDY")
    before = undisturbed(etld)
    wait_until(lambda: etld.worker("greedy-0")["restarts"] >= 1, 20, "a restart")
    assert any("of memory" in row["msg"] for row in etld.log())
    assert undisturbed(etld) == before


def test_a_worker_is_recycled_after_max_events(etld: FakeWorkersDaemon) -> None:
    """Gently: it says that it stopped."""
    etld.edit('max_memory = "200 MiB"', "max_events = 10")
    etld.start()
    wait_until(lambda: etld.worker("good-0")["restarts"] >= 1)
    assert any(line.startswith("stopped") for line in etld.said("good-0"))
    assert etld.worker("good-0")["last_error"] is None


def test_a_worker_that_ends_at_once_is_given_up(etld: FakeWorkersDaemon) -> None:
    """After max_failures; the daemon is degraded, and says why."""
    etld.start("support.fake_workers:QUITTER", wait=False)
    wait_until(lambda: etld.state_is("degraded"), what="degraded")
    worker = etld.worker("quitter-0")
    assert (worker["state"], worker["last_error"]) == ("fatal", "the file of my dreams is missing")
    health = etld.cli("health")
    assert health.returncode == 1
    assert "quitter-0 is fatal: the file of my dreams is missing" in health.stdout
    assert etld.worker("good-0")["state"] == "running"


def test_a_daemon_that_is_one_too_many_ends(etld: FakeWorkersDaemon) -> None:
    """All of it, although it had started; and the service manager is told that another start would not help."""
    etld.start("support.fake_workers:ONE_TOO_MANY")
    (etld.state / "another").touch()
    assert etld.process is not None
    assert etld.process.wait(20) == os.EX_CONFIG
    assert any("ending: late-0: another daemon is here" in row["msg"] for row in etld.log())


def test_a_flood_of_messages_is_ended(etld: FakeWorkersDaemon) -> None:
    """The supervisor stays quick meanwhile."""
    etld.start("support.fake_workers:FLOOD", wait=False)
    wait_until(etld.socket.exists)
    wait_until(lambda: any("flooded" in row["msg"] for row in etld.log()), 20, "the flood is noticed")
    began = time.monotonic()
    etld.status()
    assert time.monotonic() - began < 1.0
    assert etld.worker("good-0")["restarts"] == 0


def test_counts_survive_their_worker(etld: FakeWorkersDaemon) -> None:
    """Totals and metrics never go back."""
    etld.start()
    wait_until(lambda: etld.status()["totals"]["accepted"] > 50)
    before = etld.status()["totals"]["accepted"]
    for name in ("good-0", "good-1"):
        os.kill(etld.pids()[name], signal.SIGKILL)
    wait_until(lambda: all(etld.worker(name)["restarts"] == 1 for name in ("good-0", "good-1")))
    wait_until(lambda: etld.state_is("ready"))
    assert etld.status()["totals"]["accepted"] >= before
    text = etld.ask("metrics")["text"]
    assert 'etld_worker_restarts_total{worker="good-0"} 1' in text
    assert "etld_batch_duration_seconds_bucket" in text
