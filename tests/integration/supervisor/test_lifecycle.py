"""Start, stop, and what stands in the way of them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.errors import EtldError
from support.fake_workers_daemon import ROOT, TESTS, WELL, FakeWorkersDaemon, prepared
from support.processes import alive
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_start_status_stop(etld: FakeWorkersDaemon) -> None:
    """By rank upwards, by rank downwards, and nothing is left."""
    began = etld.daemonize()
    assert began.returncode == 0, began.stderr
    assert f"http://127.0.0.1:{etld.port}" in began.stdout
    status = etld.status()
    assert status["state"] == "ready"
    assert [worker["name"] for worker in status["workers"]] == ["ground", "good-0", "good-1", "ingest-0"]
    assert list(status["totals"]) == ["accepted", "rejected", "stored", "duplicate", "dead", "repaired", "parked"]
    pids = [status["pid"], *etld.pids().values()]
    titles = [Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode() for pid in pids]
    assert titles == ["etld: supervisor", "etld: ground", "etld: good-0", "etld: good-1", "etld: ingest-0"]
    assert stat.S_IMODE(etld.socket.stat().st_mode) == 0o600
    started = [row["msg"] for row in etld.log() if "started (pid" in row["msg"]]
    assert [line.partition(":")[0] for line in started] == ["ground", "setup", "good-0", "good-1", "ingest-0"]
    shown = etld.cli("status")
    assert shown.returncode == 0
    assert "good-1" in shown.stdout
    done = etld.cli("stop")
    assert (done.returncode, done.stdout.startswith("stopped after")) == (0, True), done.stderr
    assert not [pid for pid in pids if alive(pid)]
    assert not etld.socket.exists()
    stopped = [row["msg"].partition(":")[0] for row in etld.log() if ": stopped (" in row["msg"]]
    assert stopped[0] == "ingest-0"
    assert stopped[-1] == "ground"
    assert [row["msg"] for row in etld.log() if row["level"] not in ("info", "debug")] == []


def test_starting_twice(etld: FakeWorkersDaemon) -> None:
    """One line with the pid of the first, which is left alone."""
    etld.start()
    second = etld.cli("start")
    pid = etld.status()["pid"]
    assert (second.returncode, second.stderr) == (1, f"etld: already running (pid {pid}) (ETLD-S002)\n")
    assert etld.state_is("ready")


def test_stopping_what_is_not_running(etld: FakeWorkersDaemon) -> None:
    """Exit code 3, one line."""
    for verb in ("stop", "status", "health"):
        done = etld.cli(verb)
        assert done.returncode == 3
        assert done.stderr == f"etld: not running (nobody listens on {etld.socket}) (ETLD-S001)\n"


def test_what_a_dead_daemon_left_behind_is_no_hindrance(etld: FakeWorkersDaemon) -> None:
    """A pid file that names a living stranger, and a socket nobody listens on."""
    etld.state.mkdir()
    (etld.state / "etld.pid").write_text(f"{os.getpid()}\n")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(etld.socket))
    assert etld.cli("status").returncode == 3
    etld.start()
    assert int((etld.state / "etld.pid").read_text()) == etld.status()["pid"]


def test_a_taken_port(etld: FakeWorkersDaemon) -> None:
    """Said before anything is started, also when the other one would share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", etld.port))
        other.listen()
        done = etld.cli("start")
    assert done.returncode == 1
    assert done.stderr == (
        f"etld: 127.0.0.1:{etld.port} is in use by another program: stop that program, or set ingest.port (ETLD-S003)\n"
    )
    assert not (etld.state / "etld.pid").exists()


def test_a_taken_embedded_port(etld: FakeWorkersDaemon) -> None:
    """Names the key."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        etld.edit('bootstrap_servers = "localhost:1"', f'bootstrap_servers = "embedded"\nembedded_port = {port}')
        done = etld.cli("start")
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert "kafka.embedded_port" in done.stderr


def test_a_state_directory_that_cannot_be_written(etld: FakeWorkersDaemon) -> None:
    """A file is in its place."""
    etld.state.write_text("I am a file")
    done = etld.cli("start")
    assert done.returncode == 1
    assert done.stderr == f"etld: state_dir: cannot write to {etld.state}: File exists (ETLD-S005)\n"


def test_a_configuration_that_everybody_may_write(etld: FakeWorkersDaemon) -> None:
    """Refused: at the start, by a reload, and by the program that is to take over."""
    etld.config.chmod(0o666)
    done = etld.cli("start")
    assert done.returncode == 1
    assert "may be written by everybody" in done.stderr
    etld.config.chmod(0o600)
    etld.start()
    etld.config.chmod(0o666)
    for verb in ("reload", "restart"):
        done = etld.cli(verb)
        assert done.returncode == 1
        assert "may be written by everybody" in done.stderr
    assert etld.state_is("ready")


def test_a_failed_start_says_why_and_leaves_nothing(etld: FakeWorkersDaemon) -> None:
    """The embedded part was given up."""
    done = etld.daemonize("support.fake_workers:NO_GROUND")
    assert done.returncode == 1
    assert done.stderr.startswith("etld: not started: ground: two daemons have the node id x (ETLD-W004)\n")
    assert etld.cli("status").returncode == 3
    assert not (etld.state / "etld.pid").exists()


def test_what_another_start_would_not_mend(etld: FakeWorkersDaemon) -> None:
    """Exit code 78, at which the unit does not try again: an embedded part that is given up, a broken configuration."""
    etld.start("support.fake_workers:NO_GROUND", wait=False)
    assert etld.process is not None
    assert etld.process.wait(20) == 78
    etld.edit('node_id = "fake"', "node_id = 3")
    done = etld.cli("start", "--foreground")
    assert (done.returncode, "node_id" in done.stderr) == (78, True)
    assert etld.cli("start").returncode == 1
    (unit,) = re.findall("RestartPreventExitStatus=(.*)", (ROOT / "systemd" / "etld.service").read_text())
    assert "78" in unit.split()


def test_a_start_that_takes_too_long_says_what_it_waited_for(etld: FakeWorkersDaemon) -> None:
    """Set-up fails again and again; the roles, which are loaded, wait for it."""
    etld.edit('start_timeout = "20 s"', 'start_timeout = "2 s"')
    etld.state.mkdir()
    (etld.state / "setup.broken").write_text("no such cluster")
    done = etld.daemonize()
    assert done.returncode == 1
    assert "not started within 2 s" in done.stderr
    assert "set-up cannot: no such cluster" in done.stderr
    assert not (etld.state / "good-0.said").exists(), "a role began before all that it needs was up"
    assert not (etld.state / "etld.pid").exists()


def test_a_degraded_start_runs_and_says_so(etld: FakeWorkersDaemon) -> None:
    """One worker is given up; its siblings serve."""
    done = etld.daemonize("support.fake_workers:HOPELESS")
    assert done.returncode == 1
    assert "degraded" in done.stderr
    assert "hopeless-0: two daemons have the node id x" in done.stderr
    assert etld.worker("good-0")["state"] == "running"
    assert etld.cli("health").returncode == 1
    assert etld.cli("health", "--live").returncode == 0


def test_the_second_signal_is_a_quick_stop(etld: FakeWorkersDaemon) -> None:
    """Whoever ignores the first is not waited for."""
    etld.start("support.fake_workers:STUBBORN")
    assert etld.process is not None
    pids = list(etld.pids().values())
    began = time.monotonic()
    etld.process.send_signal(signal.SIGTERM)
    wait_until(lambda: etld.state_is("stopping"))
    etld.process.send_signal(signal.SIGTERM)
    assert etld.process.wait(10) == 0
    assert time.monotonic() - began < 4
    assert not [pid for pid in pids if alive(pid)]


def test_a_worker_that_does_not_stop_ends_at_the_deadline(etld: FakeWorkersDaemon) -> None:
    """stop_timeout is 9 s, of which the roles have two thirds."""
    etld.start("support.fake_workers:STUBBORN")
    began = time.monotonic()
    assert etld.stop() == 0
    assert 5 < time.monotonic() - began < 9


@pytest.mark.parametrize(
    "kinds",
    [
        "support.fake_workers:WELL",
        "support.fake_workers:SPIN",
        "support.fake_workers:FROZEN",
        "support.fake_workers:STUBBORN",
    ],
)
def test_when_the_supervisor_is_killed_every_child_goes(etld: FakeWorkersDaemon, kinds: str) -> None:
    """Also those that are busy, asleep in C, or deaf; and the next start works."""
    etld.edit('hang_timeout = "1 s"', 'hang_timeout = "30 s"')
    etld.start(kinds)
    pids = list(etld.pids().values())
    assert etld.process is not None
    etld.process.kill()
    etld.process.wait()
    wait_until(lambda: not [pid for pid in pids if alive(pid)], 30, "no process left")
    etld.start(kinds)


def test_ports_that_were_chosen_stay(etld: FakeWorkersDaemon) -> None:
    """Port 0 is the same after a restart."""
    etld.edit(f"port = {etld.port}", "port = 0")
    addresses = []
    for _ in range(2):
        etld.start()
        addresses.append(etld.status()["addresses"]["http"])
        etld.stop()
    assert addresses[0] == addresses[1] != "http://127.0.0.1:0"


def test_a_state_directory_with_a_long_name(tmp_path: Path) -> None:
    """A Unix socket's address has 107 bytes; a path may have more."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with prepared(deep) as there:
        there.start()
        assert there.cli("health").returncode == 0


def test_as_process_one_it_reaps_strangers(etld: FakeWorkersDaemon) -> None:
    """In a pid namespace of its own; an orphan ends, and leaves no zombie."""
    with process_one(etld) as supervisor:
        status = etld.status()
        assert status["pid"] == 1
        # An orphan inside: its parent ends at once.
        subprocess.run(["nsenter", "-t", supervisor, "-p", "-m", "sh", "-c", "(sleep 0.3 &)"], check=True, timeout=10)

        def children() -> list[str]:
            return Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()

        wait_until(lambda: len(children()) == len(status["workers"]), 30, "the orphan is reaped")


def test_as_process_one_it_hears_what_the_new_program_says(etld: FakeWorkersDaemon) -> None:
    """Its check is no stranger: its "no" keeps the old program, however long it is, its "yes" lets it go on."""
    with process_one(etld):
        text = etld.config.read_text()
        etld.config.write_text(text + "".join(f"nonsense_{number} = 1\n" for number in range(3000)))
        done = etld.cli("restart")
        assert done.returncode == 1
        assert "the old one stays" in done.stderr
        assert etld.state_is("ready")
        etld.config.write_text(text)
        assert etld.cli("restart").returncode == 0
        assert etld.status()["pid"] == 1


@contextlib.contextmanager
def process_one(etld: FakeWorkersDaemon) -> Iterator[str]:
    """The daemon as process 1 of a pid namespace; yields its pid outside."""
    inner = [sys.executable, "-m", "etld.supervisor", "--config", str(etld.config), "--kinds", WELL]
    probe = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "true"], check=False, capture_output=True)
    if probe.returncode != 0:
        pytest.skip("may not make a pid namespace here")
    outer = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *inner],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        wait_until(lambda: etld.state_is("ready"))
        (supervisor,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        yield supervisor
    finally:
        with contextlib.suppress(EtldError):
            etld.ask("stop")
        try:
            outer.wait(20)
        finally:
            outer.kill()
