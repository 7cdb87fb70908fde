"""Runs faults one after another: a system, the scenario, quiescence, the oracle, a row."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from faults.ledger import State
from faults.oracle import judge
from faults.run import Options, Run
from faults.scenarios import Fault
from faults.system import System


@dataclass
class Row:
    """One line of the table."""

    fault: str
    seed: int
    events: int = 0
    acknowledged: int = 0
    unknown: int = 0
    fired: int = 0
    lost: int = 0
    duplicated: int = 0
    phantoms: int = 0
    parked: int = 0
    recovery_s: float | None = None
    recoveries: list[float] = field(default_factory=list)
    seconds: float = 0.0
    skipped: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing lost, doubled or invented, and the fault fired; or it could not be done here."""
        if self.skipped:
            return True
        return self.fired > 0 and not (self.lost or self.duplicated or self.phantoms or self.problems)

    def as_json(self) -> dict[str, Any]:
        """The shape that programs rely on, and what else is known."""
        return {**self.__dict__, "ok": self.ok}


class Runner:
    """Keeps the shared system between faults, and makes another when one has left it unwell."""

    def __init__(self, options: Options, logs: Path | None = None, make: Callable[[], System] = System) -> None:
        self.options = options
        self._make = make
        self._logs = logs
        self._shared: System | None = None

    def close(self) -> None:
        """End the shared system."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.stop()

    def run(self, fault: Fault) -> Row:
        """One fault's row; never raises but for an interruption."""
        row = Row(fault.name, self.options.seed)
        row.skipped = fault.impossible()
        if row.skipped:
            return row
        began = time.monotonic()
        system: System | None = None
        try:
            system = self._system(fault)
            _perform(fault, system, self.options, row)
        except Exception as error:
            row.problems.append(_told(error))
        finally:
            row.seconds = round(time.monotonic() - began, 1)
            if system is not None and self._logs is not None and not row.ok:
                system.save_logs(self._logs / fault.name)
            if system is not None and (system is not self._shared or not row.ok):
                if system is self._shared:
                    self._shared = None
                system.stop()
        return row

    def run_all(self, faults: Iterable[Fault], told: Callable[[Row], None]) -> list[Row]:
        """Every row; `told` is called with each as it comes."""
        rows = []
        try:
            for fault in faults:
                rows.append(self.run(fault))
                told(rows[-1])
        finally:
            self.close()
        return rows

    def _system(self, fault: Fault) -> System:
        if fault.make is None and self._shared is not None:
            return self._shared
        system = (fault.make or self._make)()
        try:
            system.start()
        except BaseException:
            system.stop(None if self._logs is None else self._logs / fault.name)
            raise
        if fault.make is None:
            self._shared = system
        return system


def _perform(fault: Fault, system: System, options: Options, row: Row) -> None:
    # Seeded by the name too, so that one fault alone does what it does among all.
    run = Run(system, options, random.Random(f"{options.seed} {fault.name}"))
    try:
        fault.run(run)
    except Exception as error:
        run.problems.append(_told(error))
    finally:
        system.heal()
    system.known |= run.ledger.entries.keys() | run.ledger.foreign_ids
    _report, unsettled = system.quiesce()
    row.events = run.past.total() + run.ledger.count() + len(run.ledger.foreign)
    row.unknown = run.past[State.UNKNOWN] + run.ledger.count(State.UNKNOWN)
    row.fired = run.fired
    row.recoveries = [round(seconds, 2) for seconds in run.recoveries]
    row.recovery_s = max(row.recoveries, default=None)
    row.problems += run.problems + unsettled
    try:
        with system.connection() as conn:
            verdict = judge(conn, run.ledger, system.known)
    except psycopg.Error as error:
        row.problems.append(f"the oracle cannot read the database: {error}")
        return
    row.acknowledged = run.past[State.ACKNOWLEDGED] + verdict.acknowledged
    row.lost, row.duplicated, row.phantoms = verdict.lost, verdict.duplicated, verdict.phantoms
    row.parked = verdict.parked
    row.problems += verdict.problems


def _told(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(where) if "scenarios" in frame.filename), where[-1])
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{Path(ours.filename).name}:{ours.lineno}: {type(error).__name__}: {text[:600]}"
