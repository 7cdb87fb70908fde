"""PgBouncer in transaction mode goes, rests and shrinks, and workers die behind it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psycopg

from etld.util.ports import LOOPBACK
from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.system import System
from support.pgbouncer import PgBouncer, missing

_ROLE, _POOL_SIZE = "pooled", 4


class Pooled(System):
    """Its daemon reaches PostgreSQL through a PgBouncer, which reaches it through the proxy."""

    def __init__(self) -> None:
        super().__init__({"postgres.pooler": "transaction"})
        self._bouncer: PgBouncer | None = None

    @property
    def bouncer(self) -> PgBouncer:
        """The pooler."""
        assert self._bouncer is not None
        return self._bouncer

    def way_to_postgres(self) -> str:
        """By a role whose password PgBouncer knows."""
        database = psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"]
        for one in (
            f"CREATE ROLE {_ROLE} LOGIN PASSWORD 'pw'",
            f'GRANT ALL ON DATABASE "{database}" TO {_ROLE}',
            f"GRANT ALL ON SCHEMA public TO {_ROLE}",
        ):
            self.sql(one)
        self._bouncer = PgBouncer(f"postgresql://{_ROLE}:pw@{LOOPBACK}:{self.proxy.port}/{database}", _POOL_SIZE)
        self._bouncer.start()
        return self._bouncer.dsn

    def heal(self) -> None:
        """And PgBouncer."""
        super().heal()
        self.bouncer.stop(signal.SIGKILL)
        self.bouncer.start()

    def stop(self, keep_logs: Path | None = None) -> None:
        """And PgBouncer."""
        super().stop(keep_logs)
        if self._bouncer is not None:
            self._bouncer.close()


@fault(
    "pgbouncer",
    "PgBouncer in transaction mode is killed, restarted, paused and shrunk, while workers are killed",
    make=Pooled,
    impossible=missing,
)
def pgbouncer(run: Run) -> None:
    system = run.system
    assert isinstance(system, Pooled)
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            for blow in (_killed, _ended, _paused, _cut_off, _shrunk):
                victim = run.rng.choice(system.names(run.rng.choice(["processor-", "aggregator-", "corrector-"])))
                old = blow(run, system.bouncer, victim)
                run.replaced(victim, old)
                run.flowing(50)
        backends = system.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (_ROLE,))[0][0]
        run.expect(0 < backends <= _POOL_SIZE, f"the daemon has {backends} sessions, and PgBouncer {_POOL_SIZE}")


def _killed(run: Run, bouncer: PgBouncer, victim: str) -> int:
    """All links break; what was under way is rolled back, or its COMMIT has no answer."""
    mark = run.system.log_end()
    bouncer.stop(signal.SIGKILL)
    _noticed(run, mark)
    old = run.kill(victim)
    run.hold(run.rng.uniform(0, 3))
    began = time.monotonic()
    bouncer.start()
    run.recovered(since=began)
    return old


def _ended(run: Run, bouncer: PgBouncer, victim: str) -> int:
    """A restart as for an upgrade."""
    mark = run.system.log_end()
    bouncer.stop()
    began = time.monotonic()
    bouncer.start()
    _noticed(run, mark)
    run.recovered(since=began)
    return run.kill(victim)


def _paused(run: Run, bouncer: PgBouncer, victim: str) -> int:
    """Transactions end and none begins: who asks waits."""
    bouncer.console("PAUSE")
    before = run.system.progress(PROCESSORS)
    old = run.kill(victim)
    run.hold(run.options.outage / 4)
    run.fired += run.system.progress(PROCESSORS) == before
    began = time.monotonic()
    bouncer.console("RESUME")
    run.recovered(since=began)
    return old


def _cut_off(run: Run, bouncer: PgBouncer, victim: str) -> int:
    """The database's pool is dropped, with all that is under way in it."""
    mark = run.system.log_end()
    bouncer.console(f"KILL {bouncer.database}")
    _noticed(run, mark)
    old = run.kill(victim)
    began = time.monotonic()
    bouncer.console(f"RESUME {bouncer.database}")
    run.recovered(since=began)
    return old


def _shrunk(run: Run, bouncer: PgBouncer, victim: str) -> int:
    """All workers by one connection, a transaction at a time."""
    bouncer.resize(1)
    run.until(lambda: _servers(bouncer) <= 1, "one connection is left")
    run.fired += 1
    old = run.kill(victim)
    run.recovered()
    bouncer.resize(_POOL_SIZE)
    return old


def _noticed(run: Run, mark: int) -> None:
    run.until(lambda: run.system.said("PostgreSQL", since=mark), "a worker says that PostgreSQL is away")
    run.fired += 1


def _servers(bouncer: PgBouncer) -> int:
    return sum(one["database"] == bouncer.database for one in bouncer.console("SHOW SERVERS"))
