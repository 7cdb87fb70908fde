"""Dry runs of rules, each in a process of its own, `etld dlq test`: no hook of a rule harms the console."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from etld.errors import EtldError
from etld.util import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etld.deadletters.letter_filter import LetterFilter

# So many are remembered, and so many may run at a time.
_KEPT, _AT_ONCE = 20, 2
_NICE = 5


@dataclass(slots=True)
class RuleTrial:
    """One dry run: the text of its rule, and what it told last, which is as `DryRun.as_json` has it."""

    id: str
    text: str
    state: Literal["running", "done", "cancelled", "failed"] = "running"
    told: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or takes so far."""
        return (self.ended or time.monotonic()) - self.began


class DryRuns:
    """The dry runs of this console, the newest last; threads may share it.

    `program` gives the command line of a module with its arguments.
    """

    def __init__(self, program: Callable[..., list[str]] = interpreter.command) -> None:
        self._program = program
        self._runs: dict[str, RuleTrial] = {}
        self._lock = threading.Lock()

    @property
    def under_way(self) -> int:
        """How many."""
        with self._lock:
            return sum(one.state == "running" for one in self._runs.values())

    def start(self, run_id: str, config: Path, text: str, chosen: LetterFilter) -> None:
        """Try the rule of a TOML text on all letters that a filter chooses.

        Raises `EtldError` while others run, and for an id that another has.
        """
        with self._lock:
            if sum(one.state == "running" for one in self._runs.values()) >= _AT_ONCE:
                raise EtldError(f"{_AT_ONCE} dry runs are under way: wait for one, or cancel it", code="ETLD-U010")
            if run_id in self._runs:
                raise EtldError(f"there is a dry run {run_id!r} already", code="ETLD-X004")
            run = RuleTrial(run_id, text)
            self._runs[run.id] = run
            for old in list(self._runs)[:-_KEPT]:
                del self._runs[old]
            asked = ("--file", "-", "--all", "--summary", "--json", *chosen.options())
            run.process = subprocess.Popen(
                self._program("etld", "--config", str(config), "dlq", "test", *asked),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, run.process.pid, _NICE)
        threading.Thread(target=self._follow, args=(run, run.process), name="dry run", daemon=True).start()

    def find(self, run_id: str) -> RuleTrial | None:
        """A dry run; None where there is none of this id."""
        with self._lock:
            return self._runs.get(run_id)

    def cancel(self, run_id: str) -> RuleTrial:
        """Break one off; raises `EtldError` when it is not known."""
        run = self.find(run_id)
        if run is None:
            raise EtldError(f"there is no dry run {run_id!r}", code="ETLD-U004")
        with self._lock:
            if run.state == "running" and run.process is not None:
                run.state = "cancelled"
                run.process.kill()
        return run

    def _follow(self, run: RuleTrial, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):
            process.stdin.write(run.text.encode())
            process.stdin.close()
        for line in process.stdout:
            with suppress(ValueError):  # cut off with its process
                run.told = json.loads(line)
        error = process.stderr.read().decode(errors="replace").strip()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        with self._lock:
            run.ended = time.monotonic()
            if run.state == "running":
                run.state = "done" if run.told.get("over") else "failed"
                run.error = "" if run.state == "done" else error or "the process that tried the rule has ended"
