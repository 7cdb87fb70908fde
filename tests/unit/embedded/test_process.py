"""Children and their logs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from etld.embedded import process
from etld.errors import EtldError


def test_a_log_stays_bounded(tmp_path: Path) -> None:
    """Past the limit there is one old copy, and the child's next line starts the log anew."""
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as child:
        child.write(b"x" * 101)
        process.trim(log, 100)
        assert log.stat().st_size == 0
        assert log.with_name("server.log.1").stat().st_size == 101
        child.write(b"next\n")
    assert log.read_text() == "next\n"
    process.trim(log, 100)
    assert log.read_text() == "next\n"
    process.trim(tmp_path / "missing.log")


def test_the_tail_is_of_this_run(tmp_path: Path) -> None:
    """What an earlier run wrote is not told; a log cut meanwhile is read from its start."""
    log = tmp_path / "server.log"
    log.write_text("old\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("one\n\ntwo\nthree\nfour\n")
    assert process.tail(log, since) == "two / three / four"
    log.write_text("n\n")
    assert process.tail(log, since) == "n"
    assert process.tail(tmp_path / "missing.log") == ""


def test_a_failed_command_says_why(tmp_path: Path) -> None:
    """The last lines of its output are in the error."""
    with pytest.raises(EtldError, match=r"sh failed \(exit code 3\): no room"):
        process.run(["/bin/sh", "-c", "echo no room; exit 3"])


def test_stop_insists(tmp_path: Path) -> None:
    """A child that ignores the first signal gets the next, at last SIGKILL."""
    log = tmp_path / "log"
    child = process.spawn(["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], log=log)
    while "up" not in log.read_text():
        pass
    process.stop(child, [(signal.SIGTERM, 0.2)])
    assert child.returncode == -signal.SIGKILL
    assert "killed by SIGKILL" in str(process.ended(child, "It", log, 0))
