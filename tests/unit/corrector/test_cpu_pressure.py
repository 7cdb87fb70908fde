"""Whom repairs let go first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etld.corrector import cpu_pressure
from etld.corrector.cpu_pressure import CpuPressure

TELLS = Path("/proc/thread-self/schedstat").exists()


@pytest.mark.skipif(not TELLS, reason="this kernel does not tell how long a thread waited for a processor")
def test_whoever_shares_a_processor_waits_for_it() -> None:
    """One processor for two that never rest: each waits while the other runs."""
    found: list[float] = []
    one = {min(os.sched_getaffinity(0))}
    busy = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {one})\nwhile True: pass"])
    try:

        def measure() -> None:
            os.sched_setaffinity(0, one)  # of this thread alone
            pressure = CpuPressure()
            until = time.monotonic() + 30
            while (waited := pressure.waited()) < 0.001 and time.monotonic() < until:
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
    monkeypatch.setattr(cpu_pressure, "_THREAD", tmp_path)
    assert CpuPressure().waited() == 0.0
