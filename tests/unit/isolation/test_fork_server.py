"""Work in children of a process of its own: however it ends, that is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etld.isolation.fork_server import ForkServer, Order
from etld.isolation.program import Ending, Kind, Limit, Program
from support.processes import alive, children
from support.waiting import wait_until

ORDER = Order("label", each=False, cpu=0.3, wall=1.0)
EACH = replace(ORDER, each=True)


def answer(question: str) -> str | None:
    if question == "away":
        raise ConnectionError("nobody is there")
    return None if question == "nothing" else question * 200_000


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer("test-0", Program("support.killing_work:opened", None, answer, 64 << 20))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("item", "kind", "how", "limit"),
    [
        (b"exit", Kind.ENDED, "ended with exit code 4", Limit.NONE),
        (b"exit 0", Kind.ENDED, "ended with exit code 0", Limit.NONE),
        (b"crash", Kind.ENDED, "killed by SIGSEGV", Limit.NONE),
        (b"kill", Kind.KILLED, "killed by SIGKILL", Limit.NONE),
        (b"loop", Kind.ENDED, "took more than 0.3 s of processor time", Limit.CPU),
        (b"sleep", Kind.ENDED, "hung: waited for 1 s", Limit.WAITING),
        (b"memory", Kind.ENDED, "raised MemoryError", Limit.MEMORY),
        (b"raise", Kind.ENDED, "raised KeyError: 'no'", Limit.NONE),
        (b"leave", Kind.ENDED, "raised SystemExit: 3", Limit.NONE),
        (b"ask away", Kind.UNDECIDED, "nobody is there", Limit.NONE),
    ],
)
def test_each_end_by_its_name(server: ForkServer, item: bytes, kind: Kind, how: str, limit: Limit) -> None:
    """With the item in hand, and the stage."""
    assert server.trial([b"a", b"b", item, b"c"], EACH) == Ending(kind, how, 2, "TRANSFORM", limit)


def test_what_passes(server: ForkServer) -> None:
    """Together and one by one; a mistake in words is the worker's to tell; answers of any size come."""
    items = [b"a", b"in words", b"ask x", b"ask nothing"]
    assert server.trial(items, ORDER).kind is Kind.PASSED
    assert server.trial(items, EACH).kind is Kind.PASSED
    assert server.trial([bytes(3 << 20)] * 3, EACH).kind is Kind.PASSED


def test_trials_in_several_threads(server: ForkServer) -> None:
    """Each has its own answer."""
    found: dict[bytes, Ending] = {}
    items = [b"exit", b"a", b"crash", b"raise"]
    threads = [
        threading.Thread(target=lambda item=item: found.update({item: server.trial([item], EACH)})) for item in items
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    kinds = {item: found[item].how.split()[0] for item in items if found[item].how}
    assert kinds == {b"exit": "ended", b"crash": "killed", b"raise": "raised"}


def test_a_child_that_is_stopped_has_not_hung(server: ForkServer) -> None:
    """It is no sign of anything; and once it goes on, it passes."""
    assert server.trial([b"a"], EACH).kind is Kind.PASSED
    (forking,) = (pid for pid in children(os.getpid()) if b"test-0 searching" in cmdline(pid))
    ending: list[Ending] = []
    thread = threading.Thread(target=lambda: ending.append(server.trial([b"doze"], EACH)))
    thread.start()
    (pid,) = wait_until(lambda: children(forking), 10)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5 * EACH.wall)
    assert not ending
    os.kill(pid, signal.SIGCONT)
    thread.join(10)
    assert ending[0].kind is Kind.PASSED


def test_when_the_process_that_forks_is_killed() -> None:
    """Nothing is known, its children go with it, and the next trial starts another."""
    server = ForkServer("test-0", Program("support.killing_work:opened", None, answer, 64 << 20))
    before = set(children(os.getpid()))
    assert server.trial([b"a"], EACH).kind is Kind.PASSED
    (forking,) = set(children(os.getpid())) - before
    ending: list[Ending] = []
    thread = threading.Thread(target=lambda: ending.append(server.trial([b"sleep"], replace(EACH, wall=60.0))))
    thread.start()
    (pid,) = wait_until(lambda: children(forking), 10)
    os.kill(forking, signal.SIGKILL)
    thread.join(10)
    assert ending[0].kind is Kind.UNDECIDED
    wait_until(lambda: not alive(pid), 10)
    assert server.trial([b"a"], EACH).kind is Kind.PASSED
    server.close()
    assert set(children(os.getpid())) == before


@pytest.mark.parametrize("entry", ["support.killing_work:broken", "support.no_such_module:opened"])
def test_what_cannot_begin_condemns_nobody(entry: str) -> None:
    """A mistake of the configuration, or of the machine."""
    server = ForkServer("test-0", Program(entry, None, answer, 64 << 20))
    assert server.trial([b"a"], EACH).kind is Kind.UNDECIDED
    server.close()


def test_no_core_is_left(server: ForkServer, tmp_path: Path) -> None:
    """Neither a file, nor work for a program that collects dumps."""
    path = tmp_path / "limit"
    assert server.trial([b"core " + os.fsencode(path)], EACH).kind is Kind.PASSED
    assert int(path.read_text()) <= 1
