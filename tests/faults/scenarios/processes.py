"""Workers and the supervisor die or freeze."""

from __future__ import annotations

import os
import signal
import time

from faults.run import AGGREGATOR, CORRECTOR, PROCESSORS, Run
from faults.scenarios import fault
from faults.system import System
from support.processes import alive

_SESSION_TIMEOUT = 6.0


@fault("kill-ingest", "kill -9 ingest under load")
def kill_ingest(run: Run) -> None:
    with run.load():
        for _ in range(run.options.kills):
            began = time.monotonic()
            old = run.kill("ingest-0")
            run.replaced("ingest-0", old)
            run.accepted_again(began)
            run.flowing(50)


@fault("kill-processor", "kill -9 a processor under load, at any moment")
def kill_processor(run: Run) -> None:
    with run.load():
        for _ in range(run.options.kills):
            name = run.rng.choice(run.system.names("processor-"))
            run.hold(run.rng.uniform(0, 0.5))
            run.blow(name, "etld-" + name.rpartition("-")[0])


@fault("kill-processor-in-copy", "kill -9 a processor in the middle of its COPY")
def kill_processor_in_copy(run: Run) -> None:
    with run.load(event_types=("purchase",)):
        for _ in range(max(1, run.options.kills // 2)):
            with run.table_locked():
                run.writing("processor-purchase-0")
                old = run.kill("processor-purchase-0")
            began = time.monotonic()
            run.replaced("processor-purchase-0", old)
            run.recovered("etld-processor-purchase", since=began)


@fault("kill-aggregator", "kill -9 the aggregator under load")
def kill_aggregator(run: Run) -> None:
    with run.load():
        for _ in range(run.options.kills):
            run.hold(run.rng.uniform(0, 0.5))
            run.blow("aggregator-0", AGGREGATOR)


@fault("kill-corrector", "kill -9 the corrector while it repairs")
def kill_corrector(run: Run) -> None:
    with run.load(repairable=0.3, hopeless=0.05):
        run.flowing(5, CORRECTOR)
        for _ in range(run.options.kills):
            run.hold(run.rng.uniform(0, 0.5))
            run.blow("corrector-0", CORRECTOR)


@fault("kill-corrector-before-mark", "kill -9 the corrector when Kafka has its repairs, before it has marked them")
def kill_corrector_before_mark(run: Run) -> None:
    system, name = run.system, "corrector-0"

    def twice() -> int:
        """Records of an event that was stored from another: the second of each repair that is sent twice."""
        counted = "SELECT sum(duplicate)::bigint FROM etld.kafka_position WHERE consumer_group LIKE %s"
        return int(system.sql(counted, (f"{PROCESSORS}%",))[0][0])

    def now(ids: list[str]) -> dict[str, tuple[int, bytes]]:
        found = "SELECT id::text, attempts, repair_value FROM etld.dead_letter WHERE id = ANY(%s::uuid[])"
        return {one: (attempts, bytes(value)) for one, attempts, value in system.sql(found, (ids,))}

    with run.load(repairable=0.3):
        run.flowing(20, CORRECTOR)
        for _ in range(max(1, run.options.kills // 2)):
            before = twice()
            sent, old = _kill_at_the_mark(run, name)
            began = time.monotonic()
            run.replaced(name, old)
            wanted = before + len(sent)
            run.until(lambda wanted=wanted: twice() >= wanted, "each of them is sent again, and a duplicate")
            run.recoveries.append(time.monotonic() - began)
            run.expect(now(list(sent)) == sent, f"of {len(sent)} repairs sent twice, some are another attempt or value")


def _kill_at_the_mark(run: Run, name: str) -> tuple[dict[str, tuple[int, bytes]], int]:
    """Kill it while the mark waits for a lock: what Kafka has by then, by letter, and the pid.

    The lock lets repairs be taken and sent, and lets nothing be written of it. Whoever is in the midst of
    something else when the lock comes is let go, and tried again.
    """
    system = run.system
    at = "SELECT query FROM pg_stat_activity WHERE application_name LIKE %s AND wait_event_type = 'Lock'"

    def waiting() -> list[str]:
        return [row[0] for row in system.sql(at, (f"etld {name}%",))]

    def caught() -> tuple[dict[str, tuple[int, bytes]], int] | None:
        pid = system.pid(name)
        with system.connection() as conn, conn.transaction():
            conn.execute("LOCK TABLE etld.dead_letter IN SHARE MODE")
            run.until(waiting, "the corrector waits for the table")
            if not any("SET state = 'resent', repair_part" in query for query in waiting()):
                return None
            rows = conn.execute(
                "SELECT id::text, attempts, repair_value FROM etld.dead_letter WHERE state = 'repaired'"
            ).fetchall()
            run.send(pid, signal.SIGKILL)
            return {one: (attempts, bytes(value)) for one, attempts, value in rows}, pid

    found: tuple[dict[str, tuple[int, bytes]], int] = run.until(caught, "the corrector is caught at the mark")
    return found


@fault("kill-supervisor", "kill -9 the supervisor: every child goes; then start again")
def kill_supervisor(run: Run) -> None:
    system = run.system
    with run.load():
        workers = [int(one["pid"]) for one in system.status()["workers"] if one["pid"]]
        pids = [*workers, system.server_pid("embedded-kafka")]
        began = time.monotonic()
        run.send(int(system.status()["pid"]), signal.SIGKILL)
        run.until(lambda: not any(alive(pid) for pid in pids), "every child of a killed supervisor ends", 20)
        run.fired += 1
        system.daemon.start()
        run.accepted_again(began)
        run.flowing(50)


def _two_readers() -> System:
    return System(
        {
            "event_types.purchase.workers": 2,
            "supervisor.hang_timeout": "120 s",
            "kafka.session_timeout": f"{_SESSION_TIMEOUT:g} s",
        }
    )


@fault(
    "freeze-processor", "SIGSTOP a processor in mid-batch for three session timeouts, then SIGCONT", make=_two_readers
)
def freeze_processor(run: Run) -> None:
    system, name = run.system, "processor-purchase-0"
    with run.load(event_types=("purchase",)):
        run.until(lambda: system.names("processor-purchase-1"), "there is a second reader")
        group = "etld-processor-purchase"
        owned = f"SELECT count(*) FROM etld.kafka_position WHERE consumer_group = '{group}' AND owner LIKE %s"
        run.until(lambda: system.sql(owned, (f"%/{name}#%",))[0][0], f"{name} has a partition")
        with run.table_locked():
            run.writing(name)
            pid = run.kill(name, signal.SIGSTOP)
        began = time.monotonic()
        run.until(lambda: not system.sql(owned, (f"%/{name}#%",))[0][0], "the other reader claims all partitions", 60)
        run.recovered("etld-processor-purchase", since=began)
        run.hold(max(0.0, 3 * _SESSION_TIMEOUT + 1 - (time.monotonic() - began)))
        mark = system.log_end()
        run.send(pid, signal.SIGCONT)
        run.until(
            lambda: [one for one in system.said("fenced: ", since=mark, worker=name) if one.startswith("fenced: ")],
            "the zombie's late write is fenced",
        )
        run.fired += 1
        run.flowing(100)
        run.expect(system.worker(name).get("pid") == pid, f"{name} was replaced, and should have gone on by itself")


@fault("freeze-ingest", "SIGSTOP ingest: the supervisor finds it hung and replaces it")
def freeze_ingest(run: Run) -> None:
    with run.load():
        mark = run.system.log_end()
        began = time.monotonic()
        old = run.kill("ingest-0", signal.SIGSTOP)
        run.replaced("ingest-0", old, timeout=60)
        run.accepted_again(began)
        run.expect(run.system.said("hung", "no message", since=mark), "the supervisor does not say that ingest hung")


_SPINNING = """\
from pathlib import Path

def order(frame):
    while Path({flag!r}).exists():
        pass
    return frame
"""


class Spinning(System):
    """Its orders go through a transform that never ends while `flag` exists."""

    def __init__(self) -> None:
        super().__init__({"event_types.order.transform": "spinning:order"})
        self.flag = self.directory / "spin"
        modules = self.directory / "modules"
        modules.mkdir()
        modules.joinpath("spinning.py").write_text(_SPINNING.format(flag=str(self.flag)))
        path = [str(modules), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.daemon.env["PYTHONPATH"] = os.pathsep.join(path)

    def heal(self) -> None:
        """Nothing spins."""
        self.flag.unlink(missing_ok=True)
        super().heal()


@fault("spin", "a transform loops for ever: the supervisor finds the worker hung, and replaces it", make=Spinning)
def spin(run: Run) -> None:
    system, name = run.system, "processor-order-0"
    assert isinstance(system, Spinning)
    with run.load():
        mark, old, other = system.log_end(), system.pid(name), system.pid("processor-purchase-0")
        system.flag.touch()
        run.until(lambda: str(system.worker(name).get("last_error")).startswith("hung: no message"), "it is found hung")
        run.replaced(name, old)
        run.expect(system.dumped("spinning.py", since=mark), "the log does not show where it hung")
        run.flowing(100, f"{PROCESSORS}purchase")
        system.flag.unlink()
        healed = time.monotonic()
        run.recovered(f"{PROCESSORS}order", since=healed)
        run.recovered(AGGREGATOR, since=healed)
        run.expect(system.pid("processor-purchase-0") == other, "a worker that was well was replaced")


_LATE = """\
import sys
from pathlib import Path

if "etld.worker" in sys.modules and Path({flag!r}).exists():
    raise RuntimeError("half way")

def order(frame):
    return frame
"""


class HalfWay(System):
    """A module of its own that can be imported by a check, and by no worker while `flag` exists."""

    def __init__(self) -> None:
        super().__init__()
        self.flag = self.directory / "half-way"
        modules = self.directory / "modules"
        modules.mkdir()
        modules.joinpath("late.py").write_text(_LATE.format(flag=str(self.flag)))
        path = [str(modules), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.daemon.env["PYTHONPATH"] = os.pathsep.join(path)

    def heal(self) -> None:
        """It can be imported by all."""
        self.flag.unlink(missing_ok=True)
        super().heal()


@fault("reload-half-way", "a reload whose transform no worker can start with, twice, then mended", make=HalfWay)
def reload_half_way(run: Run) -> None:
    system = run.system
    assert isinstance(system, HalfWay)
    daemon = system.daemon
    with run.load():
        run.flowing(50)
        daemon.configure({"event_types.order.transform": "nowhere:order"})
        done = daemon.cli("reload", check=False)
        run.expect(done.returncode == 1 and "no module 'nowhere'" in done.stderr, "the missing module is not named")
        system.flag.touch()
        daemon.configure({"event_types.order.transform": "late:order"})
        for _ in range(2):
            done = daemon.cli("reload", check=False)
            run.expect(done.returncode == 1 and "does not come up" in done.stderr, "the reload was reported as done")
            run.fired += 1
            run.flowing(50, f"{PROCESSORS}order")
            run.flowing(50, AGGREGATOR)
        system.flag.unlink()
        run.expect("processor-order-0" in daemon.cli("reload").stdout, "what was not done is forgotten")
        run.flowing(50, f"{PROCESSORS}order")
        run.flowing(50, AGGREGATOR)
