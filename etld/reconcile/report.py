"""What `etld reconcile` answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """The state of every partition, and what does not add up; `differences` are sentences.

    `summaries`: [{"name", "equal"}], where None stands for "not caught up yet". `lake`: the tables, as their workers
    have last committed them: [{"table", "event_type", "rows", "files", "bytes", "committed_at", "counted_at",
    "partitions"}], with the rows that were counted in the files then: [{"partition", "rows", "expected"}].
    """

    partitions: list[dict[str, Any]] = field(default_factory=list)
    table_rows: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    summaries: list[dict[str, Any]] = field(default_factory=list)
    lake: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Does everything add up?"""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """The shape that programs rely on."""
        return {
            "ok": self.ok,
            "partitions": self.partitions,
            "table_rows": self.table_rows,
            "dead_letters": self.dead_letters,
            "in_flight": self.in_flight,
            "summaries": self.summaries,
            "lake": self.lake,
            "differences": self.differences,
        }
