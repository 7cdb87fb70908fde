"""The pid file and its lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etld.supervisor.processes.pidfile import AlreadyRunning, PidFile


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
