"""What workers know of the database's password, and do not tell."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from support.fake_workers_daemon import FakeWorkersDaemon
from support.memory import pieces
from support.waiting import wait_until

pytestmark = pytest.mark.integration

CANARY = "c4n4ry-in-the-m1ne"
INLINE = "c4n4ry-in-the-dsn"


@pytest.fixture
def locked(etld: FakeWorkersDaemon, tmp_path: Path) -> FakeWorkersDaemon:
    """A configuration with a password in a file."""
    secret = tmp_path / "secret"
    secret.write_text(f"{CANARY}\n")
    secret.chmod(0o600)
    etld.edit("[postgres]\n", f'[postgres]\npassword_file = "{secret}"\n')
    return etld


def test_an_error_shows_no_password(locked: FakeWorkersDaemon) -> None:
    """However a worker says it: while it starts, as a fault, as its last words."""
    locked.edit("//etld@localhost", f"//etld:{INLINE}@localhost")
    locked.start("support.fake_workers:LEAKY", wait=False)
    wait_until(locked.socket.exists)
    wait_until(lambda: any("postgres" in problem for problem in locked.ask("health")["problems"]))
    seen = [json.dumps([locked.status(), locked.ask("health"), locked.ask("metrics")])]
    (locked.state / "leaky.dies").touch()
    os.kill(locked.pids()["leaky-0"], signal.SIGKILL)
    wait_until(lambda: locked.worker("leaky-0")["state"] == "fatal")
    seen.append(json.dumps([locked.status(), locked.ask("health"), locked.ask("metrics")]))
    seen.append(locked.stderr.read_text())
    assert "with ***" in seen[0]
    assert "with ***" in str(locked.worker("leaky-0")["last_error"])
    assert [text for text in seen if CANARY in text or INLINE in text] == []


def test_ingest_was_never_told_the_password_of_the_file(locked: FakeWorkersDaemon) -> None:
    """Nor does the supervisor, from which ingest is forked; a worker that has read it shows that this finds it."""
    locked.start("support.fake_workers:LEAKY", wait=False, ETLD_POSTGRES__CONNECT_TIMEOUT="7 s")
    wait_until(locked.socket.exists)
    wait_until(lambda: any("postgres" in problem for problem in locked.ask("health")["problems"]))
    assert locked.process is not None
    pids = {**locked.pids(), "supervisor": locked.process.pid}
    knowing = {name for name, pid in pids.items() if any(CANARY.encode() in piece for piece in pieces(pid))}
    assert knowing == {"good-0", "good-1", "leaky-0"}
    assert [line.rpartition(" ")[0] for line in locked.said("ingest-0")] == ["environment=[]"]


def test_a_variable_is_wiped_in_ingest(etld: FakeWorkersDaemon) -> None:
    """So that it cannot be read from the process's environment either."""
    etld.start(
        "support.fake_workers:LEAKY", wait=False, ETLD_POSTGRES__DSN=f"postgresql://etld:{INLINE}@localhost:1/etld"
    )
    wait_until(lambda: etld.said("ingest-0"))
    assert [line.rpartition(" ")[0] for line in etld.said("ingest-0")] == ["environment=[]"]
    assert INLINE not in Path(f"/proc/{etld.pids()['ingest-0']}/environ").read_text()


def test_a_rotated_password_and_one_that_is_everybodys(locked: FakeWorkersDaemon, tmp_path: Path) -> None:
    """The first is an edit for those who use it; with the second nothing is reloaded or started."""
    locked.start("support.fake_workers:LEAKY", wait=False)
    wait_until(lambda: locked.socket.exists() and locked.worker("leaky-0")["state"] == "running")
    (tmp_path / "next").write_text("another")
    (tmp_path / "next").chmod(0o600)
    (tmp_path / "next").rename(tmp_path / "secret")
    done = locked.cli("reload")
    assert (done.returncode, done.stdout) == (0, "restart  leaky-0  (postgres.password_file.content)\n")
    (tmp_path / "secret").chmod(0o602)
    refusal = f"postgres.password_file: {tmp_path}/secret may be written by everybody"
    assert refusal in locked.cli("reload").stderr
    assert locked.stop() == 0
    started = locked.cli("start")
    assert (started.returncode, refusal in started.stderr) == (1, True)
