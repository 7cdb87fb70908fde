"""The lake: its worker dies in a commit, its storage and its catalog are in trouble, a partition has two owners.

What is counted is what DuckDB finds in the tables: every row of processed_events, once.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from faults.run import Run
from faults.scenarios import fault
from faults.system import System

if TYPE_CHECKING:
    from support.object_storage import ObjectStorage

_GROUP = "etld-lake-"
_NAME = "lake-purchase-0"
_CATALOG = "etld lake catalog"
_SESSION_TIMEOUT = 6.0
_SHOWN = 5
#: What a commit writes, in turn, by what stands in the names of the files.
_FILES = ("/data/", "-m0.avro", "/snap-", ".metadata.json")


def missing() -> str:
    """Why there can be no lake here, or ""."""
    try:
        import support.lake
        import support.object_storage  # noqa: F401
    except ImportError as error:
        return f"the lake needs {error.name}"
    return ""


class Lake(System):
    """Its events go to a lake on object storage, too; PostgreSQL, which is the catalog, is behind the proxy."""

    def __init__(self, **changes: Any) -> None:
        super().__init__({"lake.enabled": True, "lake.warehouse": "s3://lake/warehouse", **changes})
        self._changes.setdefault("lake.commit_every", "300 ms")
        self._storage: ObjectStorage | None = None

    @property
    def storage(self) -> ObjectStorage:
        """Where the tables are."""
        assert self._storage is not None
        return self._storage

    def start(self) -> None:
        """With its storage first."""
        from support.object_storage import ObjectStorage

        self._storage = ObjectStorage()
        secret = self.directory / "lake.credentials"
        secret.write_text("s3.secret-access-key = word\n")
        self._changes |= {"lake.properties": self._storage.properties, "lake.credentials_file": str(secret)}
        super().start()

    def stop(self, keep_logs: Path | None = None) -> None:
        """And the storage."""
        super().stop(keep_logs)
        if self._storage is not None:
            self._storage.close()

    def heal(self) -> None:
        """The storage answers."""
        if self._storage is not None:
            self._storage.trouble = ""
            self._storage.look = lambda _line, _done: None
        super().heal()

    def unready(self) -> list[str]:
        """What the tables lack, and have too often."""
        return super().unready() or self._differences()

    def _differences(self) -> list[str]:
        from support.lake import duck

        rows = self.sql("SELECT event_type, event_id::text, kafka_partition, kafka_offset FROM processed_events")
        locations = self.sql("SELECT substr(table_name, 7), metadata_location FROM etld.iceberg_tables")
        found: Counter[tuple[Any, ...]] = Counter()
        with duck() as connection:
            self.storage.query(connection)
            for event_type, location in locations:
                columns = f"'{event_type}', event_id::text, kafka_partition, kafka_offset"
                found.update(connection.execute(f"SELECT {columns} FROM iceberg_scan('{location}')").fetchall())
        stored = {tuple(row) for row in rows}
        times = Counter(row[1] for row in found.elements())
        return [
            *_told("lost by the lake", stored - found.keys()),
            *_told("in the lake twice", [event_id for event_id, count in times.items() if count > 1]),
            *_told("in the lake alone", found.keys() - stored),
        ]


def _told(what: str, which: Any) -> list[str]:
    listed = sorted(which)
    shown = ", ".join(str(one) for one in listed[:_SHOWN])
    return [f"{len(listed)} {what}: {shown}{' ...' if len(listed) > _SHOWN else ''}"] if listed else []


class _Blow:
    """Kills a process at its next request for such a file: before the storage gets it, or when it has `done` it."""

    def __init__(self, file: str, done: bool, pid: int) -> None:
        self._file, self._done, self._pid = file, done, pid
        self.struck = False

    def look(self, line: str, done: bool) -> None:
        writes = line.startswith(("PUT ", "POST ")) and "/event_purchase" in line and self._file in line
        if writes and done is self._done and not self.struck:
            self.struck = True
            os.kill(self._pid, signal.SIGKILL)


@fault("lake-kill-in-commit", "kill -9 a worker of the lake at each step of a commit", make=Lake, impossible=missing)
def kill_in_commit(run: Run) -> None:
    system = run.system
    assert isinstance(system, Lake)
    steps = [(file, done) for file in _FILES for done in (False, True)]
    with run.load(event_types=("purchase",)):
        run.flowing(50, _GROUP)
        for turn in range(max(len(steps), run.options.kills)):
            file, done = steps[turn % len(steps)]
            pid = system.pid(_NAME)
            blow = _Blow(file, done, pid)
            system.storage.look = blow.look
            run.until(lambda blow=blow: blow.struck, f"a commit comes to {file}")
            began = time.monotonic()
            run.replaced(_NAME, pid)
            run.recovered(f"{_GROUP}purchase", since=began)


@fault(
    "lake-lose-commit",
    "the catalog commits, and its answer is lost, or its asker killed",
    make=Lake,
    impossible=missing,
)
def lose_commit(run: Run) -> None:
    system = run.system
    assert isinstance(system, Lake)
    proxy = system.proxy
    with run.load(event_types=("purchase",)):
        run.flowing(50, _GROUP)
        for turn in range(max(4, run.options.kills)):
            lost, pid = proxy.commits_lost, system.pid(_NAME)
            if turn % 2:
                proxy.on_lost_commit = lambda pid=pid: os.kill(pid, signal.SIGKILL)
            proxy.lose_commits(1, _CATALOG)
            run.until(lambda lost=lost: proxy.commits_lost > lost, "a commit of the catalog is done, its answer lost")
            proxy.on_lost_commit = None
            proxy.heal()
            began = time.monotonic()
            if turn % 2:
                run.replaced(_NAME, pid)
            else:
                run.fired += 1
            run.recovered(f"{_GROUP}purchase", since=began)


@fault(
    "lake-storage", "object storage answers 500, 503, half of what it should, or never", make=Lake, impossible=missing
)
def storage(run: Run) -> None:
    system = run.system
    assert isinstance(system, Lake)
    with run.load():
        run.flowing(50, _GROUP)
        for trouble in ("500", "503", "cut", "hang"):
            before, stored = system.storage.troubled, system.progress("etld-processor-")
            system.storage.trouble = trouble
            run.until(lambda before=before: system.storage.troubled > before, f"a request gets {trouble}")
            run.hold(run.options.outage / 4)
            run.expect(
                (system.progress("etld-processor-") or 0) > (stored or 0), f"{trouble}: PostgreSQL waits as well"
            )
            system.storage.trouble = ""
            healed = time.monotonic()
            run.fired += system.storage.troubled - before
            run.recovered(_GROUP, since=healed)


@fault("lake-catalog", "the catalog is shut down, and its links are cut", make=Lake, impossible=missing)
def catalog(run: Run) -> None:
    system = run.system
    with run.load():
        run.flowing(50, _GROUP)
        for _ in range(max(1, run.options.kills // 2)):
            mark = system.log_end()
            system.postgres_down(run.rng.choice((signal.SIGQUIT, signal.SIGKILL)))
            run.until(lambda mark=mark: system.said("away", "PostgreSQL", since=mark, worker=_NAME), "the lake says so")
            run.hold(run.rng.uniform(0, run.options.outage / 4))
            run.fired += 1
            system.postgres_up()
            run.recovered(_GROUP)
            run.fired += system.proxy.cut()
            run.recovered(_GROUP)


def _two_owners() -> Lake:
    return Lake(
        **{
            "lake.workers": 2,
            "supervisor.hang_timeout": "120 s",
            "kafka.session_timeout": f"{_SESSION_TIMEOUT:g} s",
        }
    )


@fault(
    "lake-two-owners",
    "SIGSTOP a worker of the lake in a commit until another has its partitions, then SIGCONT",
    make=_two_owners,
    impossible=missing,
)
def two_owners(run: Run) -> None:
    system = run.system
    assert isinstance(system, Lake)
    group = f"{_GROUP}purchase"
    owned = f"SELECT count(*) FROM etld.kafka_position WHERE consumer_group = '{group}' AND owner LIKE %s"

    def owns() -> int:
        try:
            return int(system.sql(owned, (f"%/{_NAME}#%",))[0][0])
        except psycopg.Error:
            return 0

    with run.load(event_types=("purchase",)):
        run.flowing(50, group)
        run.until(owns, f"{_NAME} has a partition")
        before = system.storage.troubled
        system.storage.trouble = "hang"
        run.until(lambda: system.storage.troubled >= before + 2, "both are in a commit")
        run.hold(3)
        pid = run.kill(_NAME, signal.SIGSTOP)
        system.storage.trouble = ""
        began = time.monotonic()
        run.until(lambda: not owns(), "the other one claims all partitions", 90)
        run.recovered(group, since=began)
        mark = system.log_end()
        run.send(pid, signal.SIGCONT)
        told = ("fenced", "a partition was claimed by another")
        run.until(lambda: system.said(*told, since=mark, worker=_NAME), "who was frozen hears of the other one")
        run.fired += 1
        run.flowing(100, group)
