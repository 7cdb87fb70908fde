"""What a busy machine takes from a process: real processes, on one CPU."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.util.cpu_wait import CpuWait
from support.waiting import wait_until

#: One that works and one that waits for something else, in a thread beside the main one.
_LOOP = "import threading, time\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\ntime.sleep(9e9)"


@contextlib.contextmanager
def processes(*programs: str) -> Iterator[list[int]]:
    """Python programs that share one CPU; their pids."""
    cpu = min(os.sched_getaffinity(0))
    running = [subprocess.Popen([sys.executable, "-c", program]) for program in programs]
    try:
        for one in running:
            os.sched_setaffinity(one.pid, {cpu})
        yield [one.pid for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()


def state(pid: int) -> str:
    """The main thread's, such as S when it sleeps, as that of every program here does once it has begun."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def watched(pid: int, seconds: float) -> tuple[float, float]:
    """What is told of a process in the end, and the most that the parts of it were together."""
    wait, began, told = CpuWait(pid), time.monotonic(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(0.05)
        told += wait.more()
    return wait.seconds(), told


@pytest.mark.integration
def test_who_has_no_cpu_waits() -> None:
    """Also in a thread that is not the main one, and while the wait has not ended."""
    with processes(_LOOP, _LOOP) as (starved, working):
        wait_until(lambda: state(starved) == state(working) == "S", 20)
        for task in Path(f"/proc/{starved}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
            os.sched_setaffinity(int(task.name), os.sched_getaffinity(working))
        waited, told = watched(starved, 1.5)
        assert waited > 0.8
        assert told == pytest.approx(waited, abs=0.3)


@pytest.mark.parametrize("number", [0, signal.SIGSTOP])
def test_who_sleeps_or_is_stopped_waits_for_no_cpu(number: int) -> None:
    with processes("import time\ntime.sleep(1000)") as (pid,):
        wait_until(lambda: state(pid) == "S", 20)
        os.kill(pid, number)
        wait_until(lambda: state(pid) == ("T" if number else "S"), 20)
        assert watched(pid, 0.5)[0] < 0.2


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with processes("") as (pid,):
        pass
    assert CpuWait(pid).seconds() == 0.0
