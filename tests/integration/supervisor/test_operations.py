"""Reload, scale, pause, restart, drain, rotation, notifications: on a running daemon, under requests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.control.client import ControlConnection, RequestRefused
from support.fake_workers import SLOW
from support.fake_workers_daemon import FakeWorkersDaemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def requests(etld: FakeWorkersDaemon) -> Iterator[list[str]]:
    """Requests one after the other for as long as the body runs; yields the list of failures."""
    failures: list[str] = []
    done = threading.Event()
    counts = [0, 0]

    def client(number: int) -> None:
        while not done.is_set():
            try:
                answer = etld.get()
                if b"200 OK" not in answer:
                    failures.append(repr(answer))
            except OSError as error:
                failures.append(repr(error))
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert min(counts) > 10


def test_five_mistakes_change_nothing(etld: FakeWorkersDaemon) -> None:
    """All five are named, with their lines, by the command and in the log."""
    etld.start()
    before = etld.pids()
    etld.edit('node_id = "fake"', "node_id = 3")
    etld.edit(f"port = {etld.port}", 'port = "eighty"\nprot = 1')
    etld.edit('stop_timeout = "9 s"', 'stop_timeout = "9 parsecs"')
    etld.edit('schema = "', 'schema = "/nowhere')
    etld.edit("max_failures = 3", "max_failures = 0")
    done = etld.cli("reload")
    assert done.returncode == 1
    for number, needle in (
        (2, "node_id"),
        (9, "ingest.port"),
        (10, "prot"),
        (16, "max_failures"),
        (19, "stop_timeout"),
    ):
        assert any(f"line {number}: " in line and needle in line for line in done.stderr.splitlines()), done.stderr
    assert etld.pids() == before
    assert etld.process is not None
    etld.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any("reload: " in row["msg"] and "max_failures" in row["msg"] for row in etld.log()))
    assert (etld.pids(), etld.state_is("ready")) == (before, True)


def test_a_reload_touches_only_what_changed(etld: FakeWorkersDaemon) -> None:
    """A push where a push will do, a rolling restart where not; a dry run does nothing."""
    etld.start()
    before = etld.pids()
    etld.config.write_text(etld.config.read_text() + "[breaker]\nwindow = 77\n")
    planned = etld.cli("reload", "--dry-run")
    assert "reload   good-0  (breaker.window)" in planned.stdout
    assert not any("reload" in line for line in etld.said("good-0"))
    assert etld.cli("reload").returncode == 0
    assert all(any(line.startswith("reload 77") for line in etld.said(name)) for name in ("good-0", "good-1"))
    assert etld.pids() == before
    etld.config.write_text(etld.config.read_text() + '[processor]\nlinger = "70 ms"\n')
    done = etld.cli("reload")
    assert done.stdout.splitlines() == ["restart  good-0  (processor.linger)", "restart  good-1  (processor.linger)"]
    after = etld.pids()
    assert {name for name in before if before[name] != after[name]} == {"good-0", "good-1"}
    assert etld.cli("reload").stdout == "nothing has changed\n"


def test_a_reload_answers_when_the_workers_have_taken_it(etld: FakeWorkersDaemon) -> None:
    """However long they need; what comes next meets the new configuration."""
    etld.start()
    etld.config.write_text(etld.config.read_text() + f"[breaker]\nwindow = {SLOW}\n")
    assert etld.cli("reload").returncode == 0
    assert all(any(line.startswith(f"reload {SLOW}") for line in etld.said(name)) for name in ("good-0", "good-1"))


def test_a_set_up_that_fails_takes_the_reload_back(etld: FakeWorkersDaemon) -> None:
    """An incompatible schema, say: the reason is the answer, the old configuration stays."""
    etld.start()
    before = etld.pids()
    (etld.state / "setup.broken").write_text("field price has gone")
    addition = f'[event_types.refund]\nschema = "{Path(__file__).parents[3]}/schemas/order.avsc"\n'
    etld.config.write_text(etld.config.read_text() + addition)
    done = etld.cli("reload")
    assert done.returncode == 1
    assert "field price has gone" in done.stderr
    assert (etld.pids(), etld.state_is("ready")) == (before, True)
    (etld.state / "setup.broken").unlink()
    again = etld.cli("reload")
    assert (again.returncode, again.stdout) == (0, "run      setup  (event_types.refund)\n")


def test_a_new_port(etld: FakeWorkersDaemon) -> None:
    """Bound first; a taken one changes nothing."""
    etld.start()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        etld.edit(f"port = {etld.port}", f"port = {other.getsockname()[1]}")
        done = etld.cli("reload")
        assert done.returncode == 1
        assert "is in use" in done.stderr
        assert b"200 OK" in etld.get()
    assert etld.cli("reload").returncode == 0
    etld.port = int(etld.status()["addresses"]["http"].rpartition(":")[2])
    assert b"200 OK" in etld.get()


def test_scale_reload_and_restart_drop_no_request(etld: FakeWorkersDaemon) -> None:
    """1 to 3 and back, rolling restarts, reloads that touch ingest: every request is answered."""
    etld.start()
    with requests(etld) as failures:
        for number in range(3):
            assert etld.cli("scale", "ingest", "3").returncode == 0
            assert etld.cli("restart", "ingest").returncode == 0
            assert etld.cli("scale", "ingest", "1").returncode == 0
            etld.edit("[ingest]\n", f"[ingest]\nmax_connections = {100 + number}\n") if number == 0 else etld.edit(
                f"max_connections = {99 + number}", f"max_connections = {100 + number}"
            )
            assert "restart  ingest-0" in etld.cli("reload").stdout
            assert etld.cli("restart").returncode == 0
    assert failures == []
    assert [name for name in etld.pids() if name.startswith("ingest")] == ["ingest-0"]


def test_recycling_drops_no_request(etld: FakeWorkersDaemon) -> None:
    """Workers that reach max_events together are replaced one after the other, and none of them has crashed."""
    etld.edit('max_memory = "200 MiB"', "max_events = 25")
    etld.edit("[ingest]\n", "[ingest]\nworkers = 2\n")
    etld.start()
    names = ("good-0", "good-1", "ingest-0", "ingest-1")
    with requests(etld) as failures:
        wait_until(lambda: all(etld.worker(name)["restarts"] >= 2 for name in names), 30)
    assert failures == []
    for kind in ("good", "ingest"):
        under_way = ""
        for line in (row["msg"] for row in etld.log() if row["msg"].startswith(f"{kind}-")):
            if "replaced (served" in line:
                assert under_way == "", line
                under_way = line.partition(":")[0]
            elif line.startswith(f"{under_way}: ready"):
                under_way = ""
    text = etld.ask("metrics")["text"]
    assert all(f'etld_worker_restarts_total{{worker="{name}"}} 0' in text for name in names)


def test_ingest_sees_no_database(etld: FakeWorkersDaemon) -> None:
    """Neither its address nor its secret."""
    etld.start("support.fake_workers:WELL")
    assert "postgres=postgresql://" in etld.said("good-0")[0]
    from etld.config import load
    from etld.supervisor.reload.active_config import without_database

    assert without_database(load(etld.config)).postgres.dsn == "embedded"


def test_pause_and_resume(etld: FakeWorkersDaemon) -> None:
    """Deliberately paused is ready; a paused worker that is replaced stays paused."""
    etld.start()
    assert etld.cli("pause", "good").stdout == "good-0 is paused\ngood-1 is paused\n"
    assert etld.worker("good-0")["state"] == "paused"
    assert etld.cli("health").returncode == 0
    os.kill(etld.pids()["good-0"], signal.SIGKILL)
    wait_until(lambda: etld.worker("good-0")["restarts"] == 1 and etld.worker("good-0")["state"] == "paused")
    assert etld.cli("resume", "good-0").stdout == "good-0 goes on\n"
    assert etld.worker("good-0")["state"] == "running"
    assert etld.cli("pause", "nobody").returncode == 1


def test_restart_without_a_name_keeps_process_and_sockets(etld: FakeWorkersDaemon) -> None:
    """The same pid runs a new program; embedded parts keep theirs, the roles are replaced, counts go on."""
    etld.start()
    before = etld.status()
    assert etld.cli("pause", "good-1").returncode == 0
    wait_until(lambda: etld.status()["totals"]["accepted"] > 20)
    accepted = etld.status()["totals"]["accepted"]
    done = etld.cli("restart")
    assert (done.returncode, done.stdout.startswith("restarted as etld")) == (0, True), done.stderr
    after = etld.status()
    assert after["pid"] == before["pid"]
    pids = {worker["name"]: worker["pid"] for worker in before["workers"]}
    changed = {worker["name"] for worker in after["workers"] if worker["pid"] != pids[worker["name"]]}
    assert changed == {"good-0", "good-1", "ingest-0"}
    assert after["totals"]["accepted"] >= accepted
    assert after["uptime_s"] >= before["uptime_s"]
    assert etld.worker("good-1")["state"] == "paused"
    assert etld.cli("start").stderr == f"etld: already running (pid {after['pid']}) (ETLD-S002)\n"
    os.kill(etld.pids()["ground"], signal.SIGKILL)  # adopted children are watched too
    wait_until(lambda: etld.worker("ground")["restarts"] == 1 and etld.state_is("ready"))
    assert etld.stop() == 0


def test_a_program_that_would_not_run_does_not_take_over(etld: FakeWorkersDaemon) -> None:
    """Here: its configuration is broken."""
    etld.start()
    etld.edit('node_id = "fake"', "node_id = 3")
    done = etld.cli("restart")
    assert done.returncode == 1
    assert "the old one stays" in done.stderr
    assert "node_id" in done.stderr
    assert etld.state_is("ready")


def test_a_successor_that_does_not_come_up(etld: FakeWorkersDaemon) -> None:
    """The process before has its place again, is watched as before, and is named until it is replaced."""
    etld.start()
    before = etld.worker("ingest-0")
    (etld.state / "ingest.dies").touch()
    done = etld.cli("restart", "ingest")
    assert done.returncode == 1
    assert "no way to Kafka; the process before serves on" in done.stderr
    after = etld.worker("ingest-0")
    assert (after["pid"], after["state"], after["last_error"]) == (before["pid"], "running", "no way to Kafka")
    assert etld.state_is("degraded")
    assert "ingest-0: successor: none came up, so it serves on: no way to Kafka" in etld.status()["faults"]
    assert etld.cli("health", "--ready").returncode == 0
    assert b"200 OK" in etld.get()
    (etld.state / "ingest.dies").unlink()
    os.kill(before["pid"], signal.SIGSTOP)
    wait_until(lambda: etld.worker("ingest-0")["pid"] not in (before["pid"], None) and etld.state_is("ready"))
    assert etld.cli("restart", "ingest").returncode == 0
    assert any("ingest-0: the process before (pid" in row["msg"] for row in etld.log())


def test_ready_is_whether_events_are_accepted(etld: FakeWorkersDaemon) -> None:
    """Not with no worker, not with one whose fault makes it refuse them; with any other fault they are."""
    etld.start()
    for fault, code in (("kafka", 1), ("reload", 0)):
        (etld.state / "ingest.fault").write_text(fault)
        wait_until(lambda fault=fault: f"ingest-0: {fault}: so it is" in etld.status()["faults"])
        assert etld.cli("health", "--ready").returncode == code
    (etld.state / "ingest.fault").unlink()
    wait_until(lambda: etld.state_is("ready"))
    assert etld.cli("scale", "ingest", "0").returncode == 0
    done = etld.cli("health", "--ready")
    assert done.returncode == 1
    assert "ingest has no worker" in done.stdout
    assert etld.cli("scale", "ingest", "1").returncode == 0
    assert etld.cli("health", "--ready").returncode == 0


def test_a_program_that_cannot_use_the_database_does_not_take_over(etld: FakeWorkersDaemon) -> None:
    """As an older one cannot, after a migration."""
    etld.start()
    before = etld.pids()
    (etld.state / "check.broken").touch()
    done = etld.cli("restart")
    assert done.returncode == 1
    assert "the old one stays" in done.stderr
    assert "a newer etld has used postgresql://etld@localhost:1/etld" in done.stderr
    assert (etld.state_is("ready"), etld.pids()) == (True, before)


def test_a_restart_that_stops_half_way_is_no_success(etld: FakeWorkersDaemon) -> None:
    """The command says why; whoever still runs the old program is named until somebody replaces it."""
    etld.start()
    before = etld.pids()
    assert etld.worker("good-0")["version"] == etld.status()["version"]
    (etld.state / "setup.broken").write_text("no room for a migration")
    done = etld.cli("restart")
    assert done.returncode == 1
    assert "not every worker was replaced: set-up cannot: no room for a migration" in done.stderr
    assert etld.status()["last_operation"]["name"] == "restart"
    (etld.state / "setup.broken").unlink()
    wait_until(lambda: not any("setup" in fault for fault in etld.status()["faults"]))
    assert etld.state_is("degraded")
    old = [fault for fault in etld.status()["faults"] if "of before the restart" in fault]
    assert [fault.partition(":")[0] for fault in old] == ["good-0", "good-1", "ingest-0"]
    assert etld.pids() == before
    assert etld.cli("restart").returncode == 0
    assert etld.state_is("ready")
    assert etld.status()["last_operation"] == {"name": "restart", "error": None}


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_while_the_program_changes(etld: FakeWorkersDaemon, number: signal.Signals) -> None:
    """It waits until the new program can hear it."""
    etld.start()
    process = etld.process
    assert process is not None
    with ControlConnection(etld.socket) as asker:
        asker._sock.sendall(b'{"verb":"restart"}\n')
        cmdline = Path(f"/proc/{process.pid}/cmdline")
        deadline = time.monotonic() + 20
        while b"--resume" not in cmdline.read_bytes():  # without a pause: this moment is short
            assert time.monotonic() < deadline
        process.send_signal(number)
    if number == signal.SIGTERM:
        assert process.wait(20) == 0
        assert any(row["msg"] == "stopped" for row in etld.log())
        return
    wait_until(lambda: any(row["msg"] == "restart: ingest-0 (3 of 3): done" for row in etld.log()))
    assert (process.poll(), etld.status()["pid"]) == (None, process.pid)


def test_two_operations_at_once(etld: FakeWorkersDaemon) -> None:
    """The second is told what is under way."""
    etld.start()
    first = threading.Thread(target=lambda: etld.ask("drain"))
    first.start()
    wait_until(lambda: etld.status()["operation"] == "drain")
    done = etld.cli("reload")  # nothing changed: no operation
    assert done.returncode == 0
    assert "drain is under way" in etld.cli("scale", "ingest", "2").stderr
    first.join()
    assert etld.worker("ingest-0")["state"] == "paused"


def test_a_drain_that_comes_to_no_end(etld: FakeWorkersDaemon) -> None:
    """It says what waits, and leaves the way free: after its time, when its asker goes, when ingest is resumed."""
    etld.start("support.fake_workers:BEHIND")
    done = etld.cli("drain", "--timeout", "2")
    assert done.returncode == 1
    assert "event_x:0 has 5 events for the behind" in done.stderr
    assert etld.status()["operation"] is None
    with ControlConnection(etld.socket) as asker:
        asker._sock.sendall(b'{"verb":"drain"}\n')
        wait_until(lambda: etld.status()["operation"] == "drain")
    wait_until(lambda: etld.status()["operation"] is None, what="the drain that nobody waits for ends")
    answers: list[RequestRefused] = []

    def ask() -> None:
        try:
            etld.ask("drain")
        except RequestRefused as refused:
            answers.append(refused)

    waiting = threading.Thread(target=ask)
    waiting.start()
    wait_until(lambda: etld.status()["operation"] == "drain")
    assert etld.cli("resume", "ingest").returncode == 0
    waiting.join()
    assert [answer.error["code"] for answer in answers] == ["resumed"]
    assert etld.cli("scale", "ingest", "2").returncode == 0


def test_a_drain_does_not_forget_what_waits_for_the_dead(etld: FakeWorkersDaemon) -> None:
    """A worker that was given up has not finished; nor has one that is started anew."""
    etld.start("support.fake_workers:BEHIND")
    wait_until(lambda: etld.worker("behind-0")["lag"] == 5)
    (etld.state / "behind.dies").touch()
    wait_until(lambda: etld.worker("behind-0")["state"] == "fatal")
    done = etld.cli("drain")
    assert done.returncode == 1
    assert "not drained: behind-0 is fatal: no way on" in done.stderr


def test_log_rotation(etld: FakeWorkersDaemon) -> None:
    """After SIGUSR1 supervisor and workers write to the new file."""
    assert etld.daemonize().returncode == 0
    log = etld.state / "log" / "etld.log"
    log.rename(log.with_name("etld.log.1"))
    pid = etld.status()["pid"]
    os.kill(pid, signal.SIGUSR1)
    wait_until(log.exists)
    held = wait_until(lambda: [str(Path(f"/proc/{p}/fd/2").readlink()) for p in etld.pids().values()] == [str(log)] * 4)
    assert held
    assert etld.cli("restart", "good-0").returncode == 0
    assert "good-0: ready" in log.read_text()
    assert etld.cli("stop").returncode == 0


def test_a_rotation_that_cannot_be_done_ends_nobody(etld: FakeWorkersDaemon) -> None:
    """A directory that is gone is made anew; where no file can be, the old one stays, and everybody lives."""
    assert etld.daemonize().returncode == 0
    status, pids = etld.status(), etld.pids()
    log = etld.state / "log" / "etld.log"
    shutil.rmtree(log.parent)
    os.kill(status["pid"], signal.SIGUSR1)
    wait_until(lambda: [str(Path(f"/proc/{pid}/fd/2").readlink()) for pid in pids.values()] == [str(log)] * 4)
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    kept = log.rename(log.with_name("kept"))
    log.mkdir()
    os.kill(status["pid"], signal.SIGUSR1)
    for worker in ("supervisor", *pids):
        told = f'"worker": "{worker}", "msg": "cannot open {log} anew'
        wait_until(lambda told=told: told in kept.read_text(), what=told)
    assert (etld.status()["pid"], etld.pids()) == (status["pid"], pids)
    assert etld.cli("stop").returncode == 0


class Manager:
    """A service manager's notification socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.setblocking(False)

    def saw(self, needle: str) -> int:
        """How many messages had this line so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.messages.append(self._sock.recv(4096).decode())
        return sum(line.startswith(needle) for message in self.messages for line in message.split("\n"))


def test_the_service_manager_is_told(etld: FakeWorkersDaemon, tmp_path: Path) -> None:
    """READY only when ready; watchdog; status; reload; stop."""
    manager = Manager(tmp_path / "notify")
    etld.state.mkdir()
    (etld.state / "setup.broken").write_text("not yet")
    etld.start(wait=False, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="400000")
    wait_until(lambda: manager.saw("WATCHDOG=1") >= 2)
    assert manager.saw("READY=1") == 0
    wait_until(lambda: manager.saw("STATUS=starting: 1 of 4 workers run; setup is "))
    assert "set-up cannot: not yet" in str(manager.messages)
    (etld.state / "setup.broken").unlink()
    wait_until(lambda: manager.saw("READY=1") == 1)
    assert etld.state_is("ready")
    for pid in etld.pids().values():
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/maps").read_bytes()
    assert etld.process is not None
    etld.config.write_text(etld.config.read_text() + "[breaker]\nwindow = 77\n")
    etld.process.send_signal(signal.SIGHUP)
    wait_until(lambda: manager.saw("READY=1") == 2)
    reloading = next(message for message in manager.messages if message.startswith("RELOADING=1"))
    assert "MONOTONIC_USEC=" in reloading
    assert manager.saw("STATUS=ready: 4 of 4 workers run") >= 1
    assert etld.stop() == 0
    assert manager.saw("STOPPING=1") == 1


def test_nobody_is_told_ready_of_a_daemon_that_nobody_can_reach(etld: FakeWorkersDaemon, tmp_path: Path) -> None:
    """Every ingest worker was given up: the start has failed, with the reason."""
    manager = Manager(tmp_path / "notify")
    etld.state.mkdir()
    (etld.state / "ingest.dies").touch()
    etld.start(wait=False, NOTIFY_SOCKET=str(manager.path))
    assert etld.process is not None
    assert etld.process.wait(20) == 78
    assert (manager.saw("READY=1"), manager.saw("STOPPING=1")) == (0, 1)
    assert any(row["msg"] == "not started: ingest-0: no way to Kafka" for row in etld.log())
