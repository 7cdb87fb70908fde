"""Worker kinds that misbehave, for a real process tree without brokers and databases."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.supervisor.kinds import KINDS, WorkerKind

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses, Worker

#: The breaker's window that a worker takes its time to take.
SLOW = 78
#: The one that it refuses.
REFUSED = 79
#: The processor's linger with which a worker does not become ready.
NEVER_READY = 0.066


def _say(worker: Worker, what: str) -> None:
    with (Path(worker.config.state_dir) / f"{worker.name}.said").open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def _take(worker: Worker, window: int) -> None:
    if window == SLOW:
        time.sleep(0.3)
    if window == REFUSED:
        raise EtldError("no such window")
    _say(worker, f"reload {window}")


def good(worker: Worker) -> None:
    """Beats, counts, and stops when asked to."""
    worker.on_reload = lambda config: _take(worker, config.breaker.window)
    while worker.config.processor.linger == NEVER_READY and not worker.wait(0.05):
        worker.progress("getting ready")
    worker.ready()
    _say(worker, f"ready postgres={worker.addresses.postgres} sockets={len(worker.sockets)}")
    while not worker.wait(0.05):
        worker.beat()
        worker.events(1)
        worker.count("accepted", 2)
        worker.gauge("queue_depth", 3)
        worker.observe("batch_duration_seconds", 0.02)
        worker.totals("event_x:0", {"stored": 5, "duplicate": 1})
        worker.lag("event_x:0", 0)
    _say(worker, "stopped")


def ground(worker: Worker) -> None:
    """A slow starter that the others need, and that says how far it is."""
    worker.progress("warming up")
    worker.wait(0.2)
    good(worker)


def setup(worker: Worker) -> None:
    """One-shot; fails while the file setup.broken is there, and waits for what the event type "refund" never gets."""
    broken = Path(worker.config.state_dir) / "setup.broken"
    if broken.exists():
        raise EtldError(f"set-up cannot: {broken.read_text().strip()}")
    waits = Path(worker.config.state_dir) / "setup.waits"
    while waits.exists() and "refund" in worker.config.event_types:
        if worker.wait(0.05):
            return
    _say(worker, "done")


def check(config: Config, addresses: Addresses) -> None:
    """What set-up says before an upgrade; no while the file check.broken is there."""
    if (Path(config.state_dir) / "check.broken").exists():
        raise EtldError(f"a newer etld has used {addresses.postgres}")


def http(worker: Worker) -> None:
    """Answers every connection with its pid."""
    _say(worker, f"environment={[name for name in os.environ if 'POSTGRES' in name]}")
    if (Path(worker.config.state_dir) / "ingest.dies").exists():
        worker.fatal("no way to Kafka")
    sock = worker.sockets[0]
    sock.settimeout(0.05)
    worker.ready()
    while not worker.stopping:
        worker.beat()
        fault = Path(worker.config.state_dir) / "ingest.fault"
        for name in ("kafka", "reload"):
            worker.fault(name, "so it is" if fault.exists() and fault.read_text() == name else None)
        try:
            client, _ = sock.accept()
        except TimeoutError:
            continue
        with client:
            client.settimeout(2)
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
        worker.count("accepted")
        worker.events(1)


def spin(worker: Worker) -> None:
    """Becomes ready, then never beats again."""
    worker.ready()
    while True:
        pass


def spins_later(worker: Worker) -> None:
    """Beats until the file "spin.now" is there, then never again."""
    worker.ready()
    now = Path(worker.config.state_dir) / "spin.now"
    while not worker.wait(0.05):
        while now.exists():
            pass
        worker.beat()


def frozen(worker: Worker) -> None:
    """Sleeps in C, out of reach of Python's signal handlers."""
    worker.ready()
    worker.beat(force=True)
    ctypes.CDLL(None).pause()
    while True:  # pause() returns when a signal came
        ctypes.CDLL(None).sleep(1000)


def greedy(worker: Worker) -> None:
    """Takes ever more memory."""
    worker.ready()
    kept = []
    while not worker.wait(0.02):
        kept.append(bytearray(os.urandom(4096)) * 1024)
        worker.beat()


def quitter(worker: Worker) -> None:
    """Ends at once."""
    raise EtldError("the file of my dreams is missing")


def hopeless(worker: Worker) -> None:
    """Ends for good."""
    worker.fatal("two daemons have the node id x")


def one_too_many(worker: Worker) -> None:
    """Finds out that another daemon is at work, once the file "another" is there."""
    worker.ready()
    while not worker.wait(0.05):
        worker.beat()
        if (Path(worker.config.state_dir) / "another").exists():
            worker.fatal("another daemon is here", daemon=True)


def flood(worker: Worker) -> None:
    """Says more than anybody can hear."""
    worker.ready()
    assert worker._channel is not None
    worker._channel.sock.setblocking(True)
    while True:
        worker._channel.sock.sendall(b'{"type":"beat","events":1}\n' * 1000)


def stubborn(worker: Worker) -> None:
    """Does not stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker.ready()
    while True:
        worker.beat()
        time.sleep(0.05)


def leaky(worker: Worker) -> None:
    """Knows the database's password, and tells it wherever it can."""
    told = f"cannot connect to {worker.config.postgres.dsn} with {worker.config.secret('postgres')}"
    worker.progress(told)
    worker.ready()
    worker.fault("postgres", told)
    worker.wait(0.2)
    if (Path(worker.config.state_dir) / "leaky.dies").exists():
        raise EtldError(told)
    while not worker.wait(0.05):
        worker.beat()


def behind(worker: Worker) -> None:
    """Five events wait for it; ends for good once the file "behind.dies" is there."""
    worker.ready()
    dies = Path(worker.config.state_dir) / "behind.dies"
    while not worker.wait(0.05):
        worker.lag("event_x:0", 5)
        worker.gauge("consumer_lag_seconds", 90.0, topic="event_x", partition=0)
        worker.beat()
        if dies.exists():
            worker.fatal("no way on")


def sharer(worker: Worker) -> None:
    """Says how many of its kind share the work."""
    _say(worker, f"one of {worker.config.corrector.workers}")
    worker.on_reload = lambda config: _say(worker, f"one of {config.corrector.workers}")
    worker.ready()
    while not worker.wait(0.05):
        worker.beat()


def parking(worker: Worker) -> None:
    """Has as many parked letters as the file "parked" says."""
    worker.ready()
    parked = Path(worker.config.state_dir) / "parked"
    while not worker.wait(0.05):
        worker.totals("", {"parked": int(parked.read_text()) if parked.exists() else 0})
        worker.beat()


def _kind(name: str, function: str, rank: int = 2, count: int = 1, **more: object) -> WorkerKind:
    return WorkerKind(
        name,
        rank,
        f"{__name__}:{function}",
        name,
        lambda _config: [(None, count)],
        **more,  # type: ignore[arg-type]
    )


def _ingest(config: Config) -> list[tuple[str | None, int]]:
    return [(None, config.ingest.workers)]


def _table(*kinds: WorkerKind) -> dict[str, WorkerKind]:
    return {kind.name: kind for kind in kinds}


_GROUND = _kind("ground", "ground", 0, embedded=True, death_signal=signal.SIGTERM)
_SETUP = _kind(
    "setup", "setup", 1, one_shot=True, restart=lambda *_: ("kafka", "event_types"), check=f"{__name__}:check"
)
_GOOD = _kind("good", "good", 2, 2, restart=lambda *_: ("processor",), push=lambda *_: ("breaker",))
_HTTP = WorkerKind(
    "ingest",
    3,
    f"{__name__}:http",
    "a small server",
    _ingest,
    restart=lambda *_: ("ingest",),
    overlap=True,
    listens=True,
    database=False,
)

_SHARER = WorkerKind(
    "corrector",
    2,
    f"{__name__}:sharer",
    "shares",
    lambda config: [(None, config.corrector.workers)],
    push=lambda *_: ("corrector",),
)

WELL = _table(_GROUND, _SETUP, _GOOD, _HTTP)
SPIN = _table(_GOOD, _kind("spin", "spin"))
SPINS_LATER = _table(_GROUND, _SETUP, _GOOD, _HTTP, _kind("spins", "spins_later"))
FROZEN = _table(_GOOD, _kind("frozen", "frozen"))
GREEDY = _table(_GOOD, _kind("greedy", "greedy"))
QUITTER = _table(_GOOD, _kind("quitter", "quitter"))
HOPELESS = _table(_GOOD, _kind("hopeless", "hopeless"))
ONE_TOO_MANY = _table(_GOOD, _HTTP, _kind("late", "one_too_many"))
FLOOD = _table(_GOOD, _kind("flood", "flood"))
LEAKY = _table(_GOOD, _HTTP, _kind("leaky", "leaky", restart=lambda *_: ("postgres",)))
SHARERS = _table(_GOOD, _SHARER)
BEHIND = _table(_GOOD, _HTTP, _kind("behind", "behind"))
_PARKING = _kind("corrector", "parking")
ALERTS = _table(_HTTP, _kind("behind", "behind"), _PARKING, KINDS["alerts"])
STUBBORN = _table(_GOOD, _kind("stubborn", "stubborn"))
NO_GROUND = _table(_kind("ground", "hopeless", 0, embedded=True), _GOOD)
