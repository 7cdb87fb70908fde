"""Workers and the supervisor die or freeze."""

from __future__ import annotations

import signal
import time

from faults.run import AGGREGATOR, CORRECTOR, Run
from faults.scenarios import fault
from faults.world import World, alive

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
            name = run.rng.choice(run.world.names("processor-"))
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


@fault("kill-supervisor", "kill -9 the supervisor: every child goes; then start again")
def kill_supervisor(run: Run) -> None:
    world = run.world
    with run.load():
        workers = [int(one["pid"]) for one in world.status()["workers"] if one["pid"]]
        pids = [*workers, world.server_pid("embedded-kafka")]
        began = time.monotonic()
        run.send(int(world.status()["pid"]), signal.SIGKILL)
        run.until(lambda: not any(alive(pid) for pid in pids), "every child of a killed supervisor ends", 20)
        run.fired += 1
        world.daemon.start()
        run.accepted_again(began)
        run.flowing(50)


def _two_readers() -> World:
    return World(
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
    world, name = run.world, "processor-purchase-0"
    with run.load(event_types=("purchase",)):
        run.until(lambda: world.names("processor-purchase-1"), "there is a second reader")
        owned = "SELECT count(*) FROM etld.kafka_position WHERE grp = 'etld-processor-purchase' AND owner LIKE %s"
        run.until(lambda: world.sql(owned, (f"%/{name}#%",))[0][0], f"{name} has a partition")
        with run.table_locked():
            run.writing(name)
            pid = run.kill(name, signal.SIGSTOP)
        began = time.monotonic()
        run.until(lambda: not world.sql(owned, (f"%/{name}#%",))[0][0], "the other reader claims all partitions", 60)
        run.recovered("etld-processor-purchase", since=began)
        run.hold(max(0.0, 3 * _SESSION_TIMEOUT + 1 - (time.monotonic() - began)))
        mark = world.log_end()
        run.send(pid, signal.SIGCONT)
        run.until(
            lambda: world.said("fenced", "lost", "another owner", "PostgreSQL", since=mark, worker=name),
            "the zombie finds out",
        )
        run.fired += 1
        run.flowing(100)
        run.expect(world.worker(name).get("pid") == pid, f"{name} was replaced, and should have gone on by itself")


@fault("freeze-ingest", "SIGSTOP ingest: the supervisor finds it hung and replaces it")
def freeze_ingest(run: Run) -> None:
    with run.load():
        mark = run.world.log_end()
        began = time.monotonic()
        old = run.kill("ingest-0", signal.SIGSTOP)
        run.replaced("ingest-0", old, timeout=60)
        run.accepted_again(began)
        run.expect(run.world.said("hung", "not a word", since=mark), "the supervisor does not say that ingest hung")
