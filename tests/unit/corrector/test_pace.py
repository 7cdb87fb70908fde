"""How fast repairs go out, and whom they let go first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etld.corrector import pace
from etld.corrector.pace import Crowd, Pace

TELLS = pace._SCHEDSTAT.exists()


def test_a_replay_is_a_stream_and_no_burst() -> None:
    """A tenth of a second's worth at once, however long nothing was sent; without a rate, all."""
    kept = Pace(2000)
    assert kept.allowed(0.0, 500) == 0
    assert kept.allowed(60.0, 500) == 200
    kept.spend(200)
    assert kept.allowed(60.0, 500) == 0
    assert kept.allowed(60.0625, 500) == 125
    assert Pace(0).allowed(0.0, 500) == 500


@pytest.mark.skipif(not TELLS, reason="this kernel does not tell how long a thread waited for a processor")
def test_whoever_shares_a_processor_waits_for_it() -> None:
    """One processor for two that never rest: each waits while the other runs."""
    found: list[float] = []
    one = {min(os.sched_getaffinity(0))}
    busy = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {one})\nwhile True: pass"])
    try:

        def measure() -> None:
            os.sched_setaffinity(0, one)  # of this thread alone
            crowd = Crowd()
            until = time.monotonic() + 30
            while (waited := crowd.waited()) < 0.001 and time.monotonic() < until:
                sum(range(1_000_000))
            found.append(waited)

        thread = threading.Thread(target=measure)
        thread.start()
        thread.join(60)
    finally:
        busy.kill()
        busy.wait()
    assert found
    assert found[0] >= 0.001


@pytest.mark.parametrize("text", [None, "", "no numbers here"], ids=["missing", "empty", "strange"])
def test_a_kernel_that_does_not_tell(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is in the way then."""
    told = tmp_path / "schedstat"
    if text is not None:
        told.write_text(text)
    monkeypatch.setattr(pace, "_SCHEDSTAT", told)
    assert Crowd().waited() == 0.0
