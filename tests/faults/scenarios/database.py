"""PostgreSQL dies, refuses, is full, is out of reach."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.records import Foreign
from faults.system import System

_AWAY = ("PostgreSQL", "SQLSTATE")


@fault("end-backends", "pg_terminate_backend of every worker's backend, again and again")
def end_backends(run: Run) -> None:
    with run.load():
        for _ in range(run.options.kills):
            run.hold(run.rng.uniform(0.2, 1.0))
            began = time.monotonic()
            run.fired += run.terminate("etld %-%")
            run.recovered(since=began)


@fault("database-down", "PostgreSQL shut down at once, away, started again")
def database_down(run: Run) -> None:
    with run.load():
        before, mark = consumers(run.system), run.system.log_end()
        run.system.postgres_down()
        run.hold(run.options.outage)
        run.fired += bool(run.system.said(*_AWAY, since=mark))
        run.system.postgres_up()
        run.recovered()
        run.expect(consumers(run.system) == before, "a worker was replaced while PostgreSQL was away")


def _impatient() -> System:
    return System({"kafka.max_poll_interval": "10 s"})


@fault("database-away-long", "PostgreSQL away for three times kafka.max_poll_interval: nobody leaves", make=_impatient)
def database_away_long(run: Run) -> None:
    system = run.system
    with run.load():
        before, mark = consumers(system), system.log_end()
        system.postgres_down()
        run.hold(30)
        run.fired += bool(system.said(*_AWAY, since=mark))
        system.postgres_up()
        run.recovered()
        lost = system.said("partitions: the group went on", "joining anew", since=mark)
        run.expect(not lost, f"consumers left their groups: {lost[:2]}")
        run.expect(consumers(system) == before, "a worker was replaced while PostgreSQL was away")


def consumers(system: System) -> dict[str, int]:
    """The process of each worker that reads from Kafka."""
    kinds = ("processor", "aggregator", "corrector")
    return {one["name"]: one["pid"] for one in system.status()["workers"] if one["kind"] in kinds}


@fault("kill-database", "kill -9 PostgreSQL, started again")
def kill_database(run: Run) -> None:
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            mark = run.system.log_end()
            run.system.postgres_down(signal.SIGKILL)
            run.until(lambda mark=mark: run.system.said(*_AWAY, since=mark), "a worker says so")
            run.fired += 1
            run.system.postgres_up()
            run.recovered()


@fault("database-read-only", "PostgreSQL takes no writes")
def database_read_only(run: Run) -> None:
    with run.load():
        mark = run.system.log_end()
        run.system.postgres.psql("ALTER SYSTEM SET default_transaction_read_only = on")
        run.system.postgres.psql("SELECT pg_reload_conf()")
        run.until(lambda: run.system.said("read-only", since=mark), "a worker says read-only")
        run.fired += 1
        run.hold(run.options.outage / 2)
        run.system.postgres.psql(
            "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only"
        )
        run.system.postgres.psql("SELECT pg_reload_conf()")
        run.recovered()


@fault("lose-commit", "the link breaks after COMMIT, before its answer")
def lose_commit(run: Run) -> None:
    proxy = run.system.proxy
    with run.load():
        for who in ("processor", "aggregator", "corrector"):
            lost, mark = proxy.commits_lost, run.system.log_end()
            proxy.lose_commits(1000, who)
            if who == "processor":
                # Not every COMMIT is a batch's: the relay has its own.
                run.until(
                    lambda mark=mark: run.system.said("had no answer, and it had happened", since=mark),
                    "a processor finds that a COMMIT without an answer had happened",
                )
            run.until(lambda lost=lost: proxy.commits_lost >= lost + 2, f"the {who} loses two answers")
            proxy.heal()
            began = time.monotonic()
            run.fired += proxy.commits_lost - lost
            run.recovered(since=began)


@fault("kill-after-commit", "a processor dies after its COMMIT, before it knows of it")
def kill_after_commit(run: Run) -> None:
    proxy, name = run.system.proxy, "processor-purchase-0"
    with run.load(event_types=("purchase",)):
        for _ in range(max(1, run.options.kills // 2)):
            lost = proxy.commits_lost
            pid = run.system.pid(name)
            # In the proxy's thread, while the answer is in its hands.
            proxy.on_lost_commit = lambda pid=pid: os.kill(pid, signal.SIGKILL)
            proxy.lose_commits(1, name)
            run.until(lambda lost=lost: proxy.commits_lost > lost, "a COMMIT is done and its answer held")
            proxy.on_lost_commit = None
            began = time.monotonic()
            run.replaced(name, pid)
            run.recovered("etld-processor-purchase", since=began)


@fault("cut-link", "every connection to PostgreSQL is reset, new ones too for a while")
def cut_link(run: Run) -> None:
    proxy = run.system.proxy
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            refused = proxy.refused
            run.fired += proxy.cut(refuse=True)
            run.until(lambda refused=refused: proxy.refused > refused, "somebody tries to connect again")
            run.hold(run.rng.uniform(0, 3))
            proxy.heal()
            run.recovered()


@fault("blackhole", "nothing comes through to PostgreSQL or back, no connection ends")
def blackhole(run: Run) -> None:
    proxy = run.system.proxy
    with run.load():
        pids = consumers(run.system)
        held, before = proxy.held, run.system.progress(PROCESSORS)
        proxy.blackhole = True
        run.hold(run.options.outage)
        after = run.system.progress(PROCESSORS)
        run.fired += proxy.held - held if before is not None and after is not None else 0
        proxy.heal()
        run.recovered()
        run.expect(consumers(run.system) == pids, "a worker was replaced while PostgreSQL did not answer")


@fault("slow-link", "200 ms each way to PostgreSQL")
def slow_link(run: Run) -> None:
    proxy = run.system.proxy
    with run.load():
        passed = proxy.passed
        proxy.delay = 0.2
        run.hold(run.options.outage / 2)
        run.flowing(50)
        run.fired += proxy.passed - passed
        proxy.heal()
        run.recovered()


@fault("table-lock", "somebody holds processed_events exclusively")
def table_lock(run: Run) -> None:
    with run.load():
        pids, mark = consumers(run.system), run.system.log_end()
        with run.table_locked("ACCESS EXCLUSIVE"):
            run.writing("processor-purchase-0")
            run.until(lambda: run.system.said("lock timeout", since=mark), "a worker gives a try up", 30)
            run.fired += 1
            run.hold(max(0.0, run.options.outage - 5))
        run.recovered()
        run.expect(consumers(run.system) == pids, "a worker was replaced while the table was locked")


_ROOM = 300


def no_tmpfs() -> str:
    """Why no tmpfs can be mounted here; empty when one can."""
    if os.geteuid() != 0:
        return "only root may mount a tmpfs"
    where = tempfile.mkdtemp(prefix="etld-mount-")
    try:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", where], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            subprocess.run(["umount", where], check=True)
    except FileNotFoundError:
        return "there is no mount program"
    finally:
        Path(where).rmdir()
    return f"mount -t tmpfs: {tried.stderr.strip()}" if tried.returncode else ""


class SmallDisk(System):
    """Its PostgreSQL keeps tables on a small tmpfs, and its WAL elsewhere: a full WAL disk ends the server."""

    def __init__(self) -> None:
        self.disk = Path(tempfile.mkdtemp(prefix="etld-disk-"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ROOM}M", "tmpfs", str(self.disk)], check=True)
        super().__init__(data=self.disk / "pg")

    def start(self) -> None:
        """With the WAL moved away first."""
        self.postgres.prepare(lambda _said: None)
        wal = self.disk / "pg" / "pg_wal"
        shutil.copytree(wal, self.directory / "wal")
        shutil.rmtree(wal)
        self.directory.joinpath("wal").chmod(0o700)
        wal.symlink_to(self.directory / "wal")
        super().start()

    def stop(self, keep_logs: Path | None = None) -> None:
        """And unmount."""
        super().stop(keep_logs)
        subprocess.run(["umount", str(self.disk)], check=False)
        self.disk.rmdir()


@fault("disk-full", "the disk of PostgreSQL's tables is full", make=SmallDisk, impossible=no_tmpfs)
def disk_full(run: Run) -> None:
    assert isinstance(run.system, SmallDisk)
    filler = run.system.disk / "filler"
    with run.load(rate=max(600.0, run.options.rate), batch=50):
        mark = run.system.log_end()
        try:
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(65536))
            run.until(
                lambda: run.system.said("No space left", "could not extend", since=mark), "PostgreSQL says so", 120
            )
            run.fired += 1
            run.hold(run.options.outage / 2)
        finally:
            filler.unlink()
        run.recovered()


@fault("trigger-swallows", "a trigger of processed_events returns NULL for some rows, under load; then it goes")
def trigger_swallows(run: Run) -> None:
    system, foreign = run.system, Foreign(run)
    system.sql(
        "CREATE OR REPLACE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.event_details ->> 'item_name' = 'swallow me' THEN RETURN NULL; END IF; RETURN NEW; END$$"
    )
    swallowed = [foreign.value(event_details__item_name="swallow me") for _ in range(60)]
    ids = [event_id for event_id, _ in swallowed]
    letters = "SELECT count(*) FROM etld.dead_letter WHERE event_id = ANY(%s::uuid[]) AND state = %s"
    with run.load():
        began, mark = time.monotonic(), system.log_end()
        system.sql(
            "CREATE TRIGGER swallow BEFORE INSERT ON public.processed_events"
            " FOR EACH ROW EXECUTE FUNCTION public.swallow()"
        )
        for start in range(0, len(swallowed), 10):
            foreign.send([("swallowed", *one) for one in swallowed[start : start + 10]])
            run.flowing(30)
        run.until(lambda: system.sql(letters, (ids, "parked")) == [(len(ids),)], "each is a parked dead letter")
        run.fired += len(ids)
        run.recovered(since=began)
        told = any("trigger swallow" in one for one in system.status().get("faults", []))
        run.expect(told or system.said("trigger swallow", since=mark), "no fault names the trigger")
        system.sql("DROP TRIGGER swallow ON public.processed_events")
        system.daemon.cli("dlq", "replay", "--state", "parked", "--error", "trigger swallow", "--yes")
        stored = "SELECT count(*) FROM processed_events WHERE event_id = ANY(%s::uuid[])"
        run.until(lambda: system.sql(stored, (ids,)) == [(len(ids),)], "a replay stores each of them")
        system.daemon.cli("resume", "processor-purchase")
