"""Ports, sockets, pid file, notifications, and the status as text."""

from __future__ import annotations

import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from etld.cli import status_text
from etld.config.secrets import split
from etld.control.client import state_dir
from etld.errors import EtldError, PortTaken, UsageError
from etld.supervisor.network.listeners import Listeners
from etld.supervisor.observe.systemd import ServiceManager
from etld.supervisor.processes.pidfile import AlreadyRunning, PidFile


def hits(listeners: Listeners, number: int, indices: range) -> Counter[int]:
    """Which slots get `number` new connections."""
    clients = [socket.create_connection(("127.0.0.1", listeners.port), 5) for _ in range(number)]
    found: Counter[int] = Counter()
    for index in indices:
        while True:
            try:
                listeners.get(index).accept()[0].close()
            except BlockingIOError:
                break
            found[index] += 1
    for client in clients:
        client.close()
    return found


def test_new_connections_go_where_they_are_steered() -> None:
    """Also after a socket of the group was closed."""
    listeners = Listeners.bind("127.0.0.1", 0, 3)
    try:
        assert set(hits(listeners, 60, range(3))) == {0, 1, 2}
        listeners.steer([0, 2])
        assert set(hits(listeners, 60, range(3))) == {0, 2}
        listeners.drop(1)
        listeners.steer([2])
        listeners.ensure([2, 5])
        assert listeners.get(5).getsockname()[1] == listeners.port
        found = {i: hits(listeners, 40, range(i, i + 1))[i] for i in (2, 5)}
        assert min(found.values()) > 0
    finally:
        listeners.close()


def test_listeners_survive_a_new_program() -> None:
    """By their descriptors."""
    listeners = Listeners.bind("127.0.0.1", 0, 2)
    saved = [(index, os.dup(fd)) for index, fd in listeners.save()]
    listeners.close()
    again = Listeners.restore("127.0.0.1", listeners.port, saved)
    assert sum(hits(again, 10, range(2)).values()) == 10
    again.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", again.port), 5)
    again.close()


def test_a_port_is_not_shared_with_a_stranger() -> None:
    """Not even with one who would."""
    first = Listeners.bind("127.0.0.1", 0, 1)
    with pytest.raises(PortTaken, match=r"in use by another program.*ingest\.port"):
        Listeners.bind("127.0.0.1", first.port, 1)
    first.close()


def test_a_host_that_is_none() -> None:
    """Names the key."""
    with pytest.raises(EtldError, match=r"ingest\.host"):
        Listeners.bind("256.0.0.1", 0, 1)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://etld@db/etld", "postgresql://etld@db/etld"),
        ("postgresql://etld:s3cr%40t@db:5433/etld?x=1", "postgresql://etld@db:5433/etld?x=1"),
        ("host=db dbname=etld", "host=db dbname=etld"),
        ("host=db password='s3cr\\@t' dbname=etld", "host=db dbname=etld"),
        ("postgresql://etld@db/etld?x=1&password=s3cr%40t", "postgresql://etld@db/etld?x=1"),
        ("postgresql://etld@db/etld?password=s3cr%40t&x=1", "postgresql://etld@db/etld?x=1"),
    ],
)
def test_no_password_is_printed(dsn: str, shown: str) -> None:
    """It is taken out, and given to who connects."""
    assert split(dsn) == (shown, "s3cr@t" if "s3cr" in dsn else None)


def test_the_lock_says_who_runs(tmp_path: Path) -> None:
    """Whatever number stands in the file."""
    path = tmp_path / "etld.pid"
    path.write_text("1\n")
    first = PidFile.lock(path)
    first.write()
    with pytest.raises(AlreadyRunning, match=rf"already running \(pid {os.getpid()}\)"):
        PidFile.lock(path)
    first.remove()
    assert not path.exists()
    PidFile.lock(path).remove()


def test_notifications(tmp_path: Path) -> None:
    """Watchdog at half its interval; a status once; nothing without a manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.setblocking(False)
        env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
        notifier = ServiceManager(env)
        for now in (0.0, 1.0, 2.0, 3.9, 4.0):
            notifier.alive(now)
        notifier.status("a")
        notifier.status("a")
        said = []
        while True:
            try:
                said.append(manager.recv(999))
            except BlockingIOError:
                break
    assert said == [b"WATCHDOG=1"] * 3 + [b"STATUS=a"]
    ServiceManager({}).ready("nobody listens")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("it has gone")
    assert ServiceManager({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).watchdog is None


def test_the_client_finds_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the configuration does, but from a broken file too."""
    monkeypatch.delenv("ETLD_STATE_DIR", raising=False)
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "etld.toml"
    path.write_text('state_dir = "./v"\n')
    assert state_dir(path) == tmp_path / "v"
    path.write_text("state_dir = [\n")
    assert state_dir(path) == tmp_path / "var"
    monkeypatch.setenv("ETLD_STATE_DIR", "/elsewhere")
    assert state_dir(path) == Path("/elsewhere")
    with pytest.raises(UsageError, match="no such file"):
        state_dir(tmp_path / "none.toml")


def test_the_status_is_a_table() -> None:
    """Aligned, with what is wrong at the end."""
    worker = {
        "name": "ingest-0",
        "state": "backoff",
        "pid": None,
        "uptime_s": 0.0,
        "restarts": 3,
        "rate": 1234.5,
        "lag": None,
    }
    reply = {
        "version": "1",
        "state": "degraded",
        "pid": 7,
        "uptime_s": 90061,
        "operation": None,
        "workers": [worker, {**worker, "name": "x", "state": "running", "pid": 12, "uptime_s": 61, "lag": 1000}],
        "addresses": {"http": "http://h"},
        "totals": {"accepted": 1000},
        "faults": ["ingest-0 is backoff: port"],
    }
    assert status_text.render(reply, color=False).splitlines() == [
        "etld 1  degraded  pid 7  up 1d01h",
        "",
        "worker    state    pid  uptime  restarts   rate/s    lag",
        "ingest-0  backoff    -       -         3  1,234.5      -",
        "x         running   12   1m01s         3  1,234.5  1,000",
        "",
        "http  http://h",
        "",
        "accepted 1,000",
        "",
        "! ingest-0 is backoff: port",
    ]
    assert "\033[31mdegraded\033[0m" in status_text.render(reply, color=True)
