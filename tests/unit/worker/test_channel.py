"""The worker's side: channel, counters, and a worker without a supervisor."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from etld.errors import EtldError
from etld.worker import Addresses, SlotSpec, Worker
from etld.worker.channel import LIMIT, Channel, pack, pair, unpack
from etld.worker.metrics import Metrics, key
from etld.worker.testing import LocalWorker

WHERE = Addresses("http://h:1", "k:1", "postgresql://p", "embedded", "/s")
SLOT = SlotSpec("k-0", "k")


@pytest.fixture
def ends() -> Any:
    ours, theirs = pair()
    yield ours, theirs
    for end in (ours, theirs):
        if end.fileno() >= 0:
            end.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    for number in range(3):
        ours.send({"type": "n", "number": number, "text": "ü\n"})
    assert [m["number"] for m in theirs.receive()] == [0, 1, 2]
    assert theirs.receive() == []


def test_rubbish_is_skipped(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.sock.send(b'{"type"\n[1]\n\xff\n{"type":"x"}\n{"half":')
    assert theirs.receive() == [{"type": "x"}]
    ours.sock.send(b"1}\n")
    assert theirs.receive() == [{"half": 1}]


def test_a_peer_that_does_not_read_costs_bounded_memory(ends: tuple[Channel, Channel]) -> None:
    ours, _ = ends
    while ours.send({"text": "x" * 100_000}):
        pass
    assert ours.pending < LIMIT + 200_000


def test_the_end_of_file_is_seen_and_nothing_is_sent_after(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.close()
    assert ours.receive() == []
    assert ours.closed
    assert not ours.send({"type": "x"})


def test_what_is_in_flight_survives_a_new_program(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.sock.send(b'{"ha')
    assert ours.receive() == []
    again = Channel(ours.sock)
    again.restore(ours.save())
    theirs.sock.send(b'lf":1}\n')
    assert again.receive() == [{"half": 1}]


def test_pack() -> None:
    assert unpack(pack({"a": (1, None)})) == {"a": (1, None)}


def test_only_changes_are_told() -> None:
    metrics = Metrics()
    metrics.count(key("a", {"x": 1}), 2)
    metrics.lag("t:0", 5)
    assert metrics.changes() == {"events": 0, "counters": [["a", (("x", "1"),), 2]], "lags": {"t:0": 5}}
    assert metrics.changes() == {"events": 0}
    metrics.lag("t:0", 5)  # another process may have had the source meanwhile
    assert metrics.changes() == {"events": 0, "lags": {"t:0": 5}}
    assert metrics.fault("kafka", "away")
    assert not metrics.fault("kafka", "away")
    assert metrics.fault("kafka", None)
    assert metrics.changes()["faults"] == {"kafka": None}


def test_a_worker_stops_when_its_supervisor_is_gone(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    worker = Worker(None, SLOT, WHERE, channel=theirs)  # type: ignore[arg-type]
    stops: list[bool] = []
    worker.on_stop = lambda: stops.append(True)
    worker.ready()
    assert [m["type"] for m in ours.receive()] == ["ready", "beat"]
    assert not worker.wait(0)
    ours.close()
    assert worker.wait(5)
    worker.receive()
    assert stops == [True]


def test_a_worker_takes_messages_while_it_waits(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    worker = Worker(None, SLOT, WHERE, channel=theirs)  # type: ignore[arg-type]
    ours.send({"type": "pause"})
    assert not worker.wait(5)
    assert worker.paused
    ours.send({"type": "resume"})
    ours.send({"type": "stop"})
    assert worker.wait(5)
    assert not worker.paused


def test_a_role_waits_for_its_turn_and_hears_what_was_said_before_it(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    worker = Worker(None, SLOT, WHERE, channel=theirs)  # type: ignore[arg-type]
    worker.comes_to_rest = True
    ours.send({"type": "pause"})
    ours.send({"type": "begin"})
    ours.send({"type": "reload", "config": pack({"n": 1})})
    assert not worker.await_turn()
    assert (worker.paused, worker.config) == (False, None)
    worker.wait(5)
    assert (worker.paused, worker.config) == (True, {"n": 1})


def test_a_role_may_be_told_to_stop_before_its_turn(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    worker = Worker(None, SLOT, WHERE, channel=theirs)  # type: ignore[arg-type]
    ours.send({"type": "pause"})
    ours.send({"type": "stop"})
    assert worker.await_turn()


def test_a_reload_that_is_not_taken_is_a_fault(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    worker = Worker(None, SLOT, WHERE, channel=theirs)  # type: ignore[arg-type]

    def refuse(_config: object) -> None:
        raise EtldError("no such rule")

    worker.on_reload = refuse  # type: ignore[assignment]
    ours.send({"type": "reload", "config": pack({"n": 1})})
    worker.wait(5)
    assert worker.metrics.faults == {"reload": "no such rule"}
    assert {"type": "reloaded", "error": "no such rule"} in ours.receive()
    worker.on_reload = lambda config: None
    ours.send({"type": "reload", "config": pack({"n": 2})})
    worker.wait(5)
    assert (worker.metrics.faults, worker.config) == ({}, {"n": 2})


def test_fatal_says_why_and_ends(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    with pytest.raises(SystemExit) as leaving:
        Worker(None, SLOT, WHERE, channel=theirs).fatal("fenced", "ETLD-K009")  # type: ignore[arg-type]
    assert leaving.value.code == 78
    assert ours.receive() == [{"type": "fatal", "reason": "fenced", "explain": "ETLD-K009", "daemon": False}]


def test_a_local_worker_runs_a_role_in_a_thread() -> None:
    worker = LocalWorker(None, "k", "k-0", WHERE)  # type: ignore[arg-type]
    reloaded = threading.Event()

    def role(worker: Worker) -> None:
        worker.on_reload = lambda config: reloaded.set()
        worker.ready()
        while not worker.wait(5):
            worker.count("seen", 1, what="x")

    with worker.running(role):
        worker.reload(object())  # type: ignore[arg-type]
        assert reloaded.wait(5)
        worker.pause()
        while not worker.counter("seen"):
            pass
    assert worker.paused
    assert worker.counter("seen") == worker.counter("seen", what="x") >= 1


def test_a_local_workers_failure_is_the_tests() -> None:
    def role(worker: Worker) -> None:
        raise EtldError("no broker")

    with pytest.raises(EtldError, match="no broker"), LocalWorker(None, "k", "k-0", WHERE).running(role):  # type: ignore[arg-type]
        pass


def test_addresses_as_json() -> None:
    assert Addresses.from_dict(WHERE.as_dict()) == WHERE


def test_sockets_are_given_as_they_are() -> None:
    with socket.socket() as sock:
        assert Worker(None, SLOT, WHERE, sockets=[sock]).sockets == [sock]  # type: ignore[arg-type]
