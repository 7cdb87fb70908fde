"""What the machine itself does: no descriptors left, a clock that jumps, a log that cannot be written."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults import clock
from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.database import no_tmpfs
from faults.system import System

_EXHAUSTED = "Too many open files"


@contextlib.contextmanager
def _no_descriptors(pid: int) -> Iterator[None]:
    """While inside, the process can open nothing: of the numbers below its limit none is ever free."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@fault("no-descriptors-ingest", "ingest can open no descriptor: those inside are served, and the others once it can")
def no_descriptors_ingest(run: Run) -> None:
    system = run.system
    port = int(system.daemon.settings()["ingest"]["port"])
    with run.load():
        pid = system.pid("ingest-0")
        with _no_descriptors(pid):
            run.fired += sum(not _served(port, 1.0) for _ in range(5))
            run.flowing(50)  # those inside are served
            run.hold(run.options.outage / 4)
        healed = time.monotonic()
        run.until(lambda: _served(port, 5.0), "a new connection is served", 30)
        run.accepted_again(healed)
        run.expect(system.pid("ingest-0") == pid, "ingest was replaced, and should have gone on by itself")


def _served(port: int, timeout: float) -> bool:
    """Does a new connection get an answer?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@fault("no-descriptors-processor", "a processor can open no descriptor, and its connections are ended")
def no_descriptors_processor(run: Run) -> None:
    system, name = run.system, "processor-purchase-0"
    with run.load():
        mark, pid = system.log_end(), system.pid(name)
        with _no_descriptors(pid):
            run.terminate(f"etld {name}")
            run.until(lambda: system.said(_EXHAUSTED, since=mark, worker=name), "the processor says so")
            run.fired += 1
            run.flowing(50, f"{PROCESSORS}order")
            run.hold(run.options.outage / 4)
        healed = time.monotonic()
        run.recovered("etld-processor-purchase", since=healed)
        run.flowing(50, "etld-processor-purchase")


class ShiftedClock(System):
    """Kafka, PostgreSQL and every worker follow one clock, which can be shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = clock.Clock(self.directory)
        self.daemon.env |= self.clock.env

    def postgres_up(self) -> None:
        """With the clock."""
        kept = {name: os.environ.get(name) for name in self.clock.env}
        os.environ.update(self.clock.env)
        try:
            super().postgres_up()
        finally:
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def heal(self) -> None:
        """The clock is right."""
        self.clock.shift(0)
        super().heal()


@fault(
    "clock-jumps",
    "the wall clock jumps an hour ahead, two hours back, and back",
    make=ShiftedClock,
    impossible=clock.missing,
)
def clock_jumps(run: Run) -> None:
    system = run.system
    assert isinstance(system, ShiftedClock)
    with run.load():
        for shift in (3600, -3600, 0):
            before = time.time() + shift
            system.clock.shift(shift)
            began = time.monotonic()
            run.accepted_again(began)
            run.recovered(since=began)
            run.flowing(200)
            seen = (
                "SELECT extract(epoch FROM now())::float8, (SELECT count(*) FROM processed_events WHERE"
                " abs(extract(epoch FROM processed_at - now())) < 60)"
            )
            now, stored = system.sql(seen)[0]
            run.fired += abs(now - before) < 120 and stored > 0
            run.hold(run.options.outage / 4)
    run.expect(run.fired == 3, f"of three jumps {run.fired} were seen in PostgreSQL's clock and in rows")


class SmallLog(System):
    """Its daemon logs to a small tmpfs."""

    def start(self) -> None:
        """With the directory of the logs mounted first."""
        self.logs = self.daemon.state_dir / "log"
        self.logs.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", str(self.logs)], check=True)
        super().start()

    def stop(self, keep_logs: Any = None) -> None:
        """And unmount, once nobody writes there."""
        self.daemon.stop()
        if keep_logs is not None:
            self.save_logs(keep_logs)
        subprocess.run(["umount", "--lazy", str(self.logs)], check=False)
        super().stop()


@fault("log-disk-full", "the disk of the logs is full", make=SmallLog, impossible=no_tmpfs)
def log_disk_full(run: Run) -> None:
    system = run.system
    assert isinstance(system, SmallLog)
    filler = system.logs / "filler"
    with run.load():
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        size = system.log_end()
        began = time.monotonic()
        run.accepted_again(began)
        run.flowing(300)
        run.hold(run.options.outage / 4)
        run.recovered()
        # A page of the file may have had room left.
        run.fired += system.log_end() - size < 4096 and not _room(system.logs)
        filler.unlink()
        mark = system.log_end()
        run.until(lambda: system.said("stored", since=mark), "the log is written again")


def _room(where: Path) -> int:
    found = os.statvfs(where)
    return found.f_bavail * found.f_frsize
