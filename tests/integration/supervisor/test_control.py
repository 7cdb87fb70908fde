"""The control socket under clients of every kind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.fake_workers_daemon import FakeWorkersDaemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def connect(etld: FakeWorkersDaemon) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(etld.socket))
    return sock


def line(sock: socket.socket) -> dict[str, object]:
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(65536)
        assert more, f"closed after {data!r}"
        data += more
    answer: dict[str, object] = json.loads(data)
    return answer


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"hello\n", "bad_json"),
        (b"\xff\xfe\n", "bad_json"),
        (b"[" * 100000 + b"\n", "bad_json"),
        (b"[]\n", "bad_request"),
        (b'{"verb": 3}\n', "bad_request"),
        (b'{"verb": "fly"}\n', "unknown_verb"),
        (b'{"verb": "scale", "target": "good"}\n', "bad_request"),
        (b'{"verb": "scale", "target": "nothing", "count": 1}\n', "unknown_target"),
        (b'{"verb": "pause", "target": "ground"}\n', "refused"),
        (b"x" * (1 << 20) + b"x" * 100000, "too_large"),
    ],
)
def test_nonsense_is_answered(etld: FakeWorkersDaemon, request_: bytes, code: str) -> None:
    """With an error, and the daemon goes on."""
    etld.start()
    with connect(etld) as sock:
        sock.sendall(request_)
        answer = line(sock)
    assert answer["ok"] is False
    assert answer["error"]["code"] == code  # type: ignore[index]
    assert etld.state_is("ready")


def test_several_requests_on_one_connection(etld: FakeWorkersDaemon) -> None:
    """Answered in order, also when they come in one piece or in crumbs."""
    etld.start()
    with connect(etld) as sock:
        sock.sendall(b'{"verb":"health"}\n{"verb":"status"}\n')
        file = sock.makefile("rb")
        assert json.loads(file.readline())["healthy"] is True
        assert json.loads(file.readline())["state"] == "ready"
        for byte in b'{"verb":"health"}\n':
            sock.sendall(bytes([byte]))
        assert json.loads(file.readline())["live"] is True


def test_bad_clients_do_not_hold_it_up(etld: FakeWorkersDaemon) -> None:
    """Silent, half-spoken, deaf; those past the share of one process are told that it is too many."""
    etld.start()
    clients = [connect(etld) for _ in range(64)]
    for sock in clients[32:]:
        assert line(sock)["error"]["code"] == "busy"  # type: ignore[index]
        sock.close()
    del clients[32:]
    for number, sock in enumerate(clients):
        if number % 3 == 1:
            sock.sendall(b'{"verb": "sta')
        elif number % 3 == 2:
            sock.sendall(b'{"verb":"metrics"}\n' * 50)  # and never reads
    time.sleep(0.3)
    with connect(etld) as extra:
        assert line(extra)["error"]["code"] == "busy"  # type: ignore[index]
    began = time.monotonic()
    done = etld.cli("status", "--json")
    assert (done.returncode, done.stderr) == (0, ""), "another process has a place"
    assert time.monotonic() - began < 2.5
    clients.pop(0).close()

    def quick() -> bool:
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), connect(etld) as sock:
            sock.sendall(b'{"verb":"health"}\n')
            return "live" in line(sock) and time.monotonic() - began < 0.5
        return False

    wait_until(quick)
    for sock in clients:
        sock.close()
    assert etld.worker("good-0")["restarts"] == 0


def test_idle_clients_make_room(etld: FakeWorkersDaemon) -> None:
    """Those that say nothing are let go, when there is somebody who wants the place."""
    etld.start()
    clients = [connect(etld) for _ in range(32)]

    def welcome() -> bool:
        # One that is refused is let go before it has said anything.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), connect(etld) as sock:
            sock.sendall(b'{"verb":"health"}\n')
            return bool(line(sock)["ok"])
        return False

    assert not welcome()
    wait_until(welcome, 15, "room for another")
    for sock in clients:
        sock.close()


def test_many_requests_at_once_hold_up_nobody(etld: FakeWorkersDaemon) -> None:
    """Whoever sends thousands in one go is served in turn with the others."""
    etld.start()
    clients = [connect(etld) for _ in range(30)]
    for number, sock in enumerate(clients):
        sock.setblocking(False)
        sock.send((b'{"verb":"metrics"}\n' if number % 2 else b"\n\n{}\n") * 2500)
    worst = 0.0
    for _ in range(20):
        began = time.monotonic()
        with connect(etld) as sock:
            sock.sendall(b'{"verb":"health"}\n')
            assert line(sock)["live"] is True
        worst = max(worst, time.monotonic() - began)
    assert worst < 1.0
    for sock in clients:
        sock.close()
    assert etld.worker("good-0")["restarts"] == 0


def test_only_the_owner_and_root(etld: FakeWorkersDaemon) -> None:
    """Who is asked by the kernel, not by the client."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    etld.start()
    etld.socket.chmod(0o666)
    for parent in (etld.socket.parent, *etld.socket.parents):
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(999).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(etld.socket)], capture_output=True, text=True, timeout=20, check=True
    )
    assert json.loads(done.stdout)["error"]["code"] == "forbidden"


def test_status_loads_next_to_nothing(etld: FakeWorkersDaemon) -> None:
    """What makes a command slow is what it imports: none of the libraries of the roles, nor of the configuration."""
    etld.start()
    code = (
        "import sys\nfrom etld.cli import main\n"
        "try:\n main()\nexcept SystemExit as end:\n assert not end.code\n"
        "print(sorted({'pydantic', 'rich', 'polars', 'aiohttp', 'psycopg', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", str(etld.config), "status"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_supervisor_stays_light(etld: FakeWorkersDaemon) -> None:
    """None of the roles' libraries is mapped into it."""
    etld.start()
    assert etld.process is not None
    maps = Path(f"/proc/{etld.process.pid}/maps").read_text()
    for library in ("confluent_kafka", "psycopg", "aiohttp", "polars", "matplotlib", "numpy"):
        assert library not in maps, library


def test_the_logs_verb(etld: FakeWorkersDaemon) -> None:
    """By worker and level; human or as they are."""
    etld.daemonize()
    shown = etld.cli("logs", "supervisor", "-n", "3")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 3
    assert "ready after" in shown.stdout
    assert etld.cli("logs", "--level", "error").stdout == ""
    nobody = etld.cli("logs", "nobody")
    assert nobody.returncode == 1
    assert "'nobody'" in nobody.stderr
    rows = etld.cli("logs", "--json", "-n", "100").stdout.splitlines()
    assert all(json.loads(row)["worker"] == "supervisor" for row in rows)
    answer = etld.ask("logs", lines=2)
    assert (answer["target"], answer["path"]) == ("file", str(etld.state / "log" / "etld.log"))
    assert [json.loads(row)["worker"] for row in answer["lines"]] == ["supervisor"] * 2
    assert etld.cli("stop").returncode == 0
    past = etld.cli("logs", "-n", "1")
    assert (past.returncode, "an earlier run" in past.stderr) == (0, True)


def test_a_watched_status_outlives_the_daemon(etld: FakeWorkersDaemon, tmp_path: Path) -> None:
    """It says that there is none, and goes on when there is one again."""
    etld.start()
    out, err = tmp_path / "out", tmp_path / "err"
    code = ["-c", "from etld.cli import main; main()", "--config", str(etld.config)]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        watch = subprocess.Popen(
            [sys.executable, *code, "status", "--watch", "--interval", "0.1"], stdout=stdout, stderr=stderr
        )
    try:
        wait_until(lambda: "good-0" in out.read_text())
        assert etld.stop() == 0
        wait_until(lambda: "not running" in err.read_text())
        size = out.stat().st_size
        etld.start()
        wait_until(lambda: out.stat().st_size > size, what="it shows the new daemon")
        assert watch.poll() is None
    finally:
        watch.terminate()
        watch.wait(10)


def test_the_log_is_that_of_the_running_daemon(etld: FakeWorkersDaemon) -> None:
    """Not a file that an earlier run left behind."""
    etld.state.mkdir()
    (etld.state / "log").mkdir()
    (etld.state / "log" / "etld.log").write_text('{"worker":"supervisor","level":"info","msg":"long ago"}\n')
    etld.start()  # in the foreground, its stderr in a file
    shown = etld.cli("logs")
    assert "ready after" in shown.stdout
    assert "long ago" not in shown.stdout


def test_a_log_in_the_journal_is_read_from_there(
    etld: FakeWorkersDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same filters; on a pipe the command says that it cannot be read again."""
    journal = tmp_path / "bin" / "journalctl"
    journal.parent.mkdir()
    journal.write_text(
        """#!/bin/sh
echo "$@" >&2
echo '{"worker":"good-0","level":"error","msg":"the needle"}'
echo '{"worker":"good-1","level":"error","msg":"the haystack"}'
"""
    )
    journal.chmod(0o755)
    monkeypatch.setenv("PATH", str(journal.parent), prepend=os.pathsep)
    etld.stderr = Path("/dev/null")
    etld.start()
    assert "look there" in etld.cli("logs").stderr
    assert etld.stop() == 0
    etld.start(JOURNAL_STREAM="8:1")
    shown = etld.cli("logs", "good-0")
    assert (shown.returncode, shown.stdout) == (0, " error   good-0: the needle\n")
    assert ".service --output cat" in shown.stderr
