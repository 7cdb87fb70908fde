"""Runs faults one after another: a world, the scenario, quiescence, the oracle, a row."""

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
from faults.world import World


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
    """Keeps the shared world between faults, and makes another when one has left it unwell."""

    def __init__(self, options: Options, logs: Path | None = None) -> None:
        self.options = options
        self._logs = logs
        self._shared: World | None = None

    def close(self) -> None:
        """End the shared world."""
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
        world: World | None = None
        try:
            world = self._world(fault)
            _perform(fault, world, self.options, row)
        except Exception as error:
            row.problems.append(_told(error))
        finally:
            row.seconds = round(time.monotonic() - began, 1)
            if world is not None and self._logs is not None and not row.ok:
                world.save_logs(self._logs / fault.name)
            if world is not None and (world is not self._shared or not row.ok):
                if world is self._shared:
                    self._shared = None
                world.stop()
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

    def _world(self, fault: Fault) -> World:
        if fault.make is None and self._shared is not None:
            return self._shared
        world = World() if fault.make is None else fault.make()
        try:
            world.start()
        except BaseException:
            world.stop(None if self._logs is None else self._logs / fault.name)
            raise
        if fault.make is None:
            self._shared = world
        return world


def _perform(fault: Fault, world: World, options: Options, row: Row) -> None:
    # Seeded by the name too, so that one fault alone does what it does among all.
    run = Run(world, options, random.Random(f"{options.seed} {fault.name}"))
    try:
        fault.run(run)
    except Exception as error:
        run.problems.append(_told(error))
    finally:
        world.heal()
    world.known |= run.ledger.entries.keys() | run.ledger.foreign_ids
    _report, unsettled = world.quiesce()
    row.events = run.ledger.count() + len(run.ledger.foreign)
    row.unknown = run.ledger.count(State.UNKNOWN)
    row.fired = run.fired
    row.recoveries = [round(seconds, 2) for seconds in run.recoveries]
    row.recovery_s = max(row.recoveries, default=None)
    row.problems += run.problems + unsettled
    try:
        with world.connection() as conn:
            verdict = judge(conn, run.ledger, world.known)
    except psycopg.Error as error:
        row.problems.append(f"the oracle cannot read the database: {error}")
        return
    row.acknowledged = verdict.acknowledged
    row.lost, row.duplicated, row.phantoms = verdict.lost, verdict.duplicated, verdict.phantoms
    row.parked = verdict.parked
    row.problems += verdict.problems


def _told(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(where) if "scenarios" in frame.filename), where[-1])
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{Path(ours.filename).name}:{ours.lineno}: {type(error).__name__}: {text[:600]}"
