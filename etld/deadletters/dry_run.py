"""What rules would make of many letters, in numbers: repaired, still broken and why, and some of them as samples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etld.deadletters.decision import without_preamble
from etld.util.text import shortened

if TYPE_CHECKING:
    from etld.deadletters.changes import Change
    from etld.deadletters.reports import TrialReport

_SAMPLES, _REASONS = 5, 200
_LONGEST_REASON, _LONGEST_VALUE = 200, 500
_GOT = re.compile(r', got (?:"(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_NUMBER = re.compile(r"\d+")
#: The reasons of letters that have one which is not among the first 200.
OTHER = "(other reasons)"


class DryRun:
    """Counts trials. `reasons` are why letters stay broken, without what came and without numbers.

    `samples` has a few letters of each reason, and of each rule that repairs.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.counts = {"repaired": 0, "broken": 0, "unmatched": 0}
        self.reasons: dict[str, int] = {}
        self.samples: dict[tuple[str, str], list[TrialReport]] = {}

    @property
    def tested(self) -> int:
        """How many letters were tried."""
        return sum(self.counts.values())

    def add(self, tried: TrialReport) -> None:
        """Count one letter."""
        self.counts[tried.outcome] += 1
        if tried.outcome == "unmatched":
            return
        about = tried.rule or ""
        if tried.outcome == "broken":
            about = _alike(tried.problem or "")
            if about not in self.reasons and len(self.reasons) >= _REASONS:
                about = OTHER
            self.reasons[about] = self.reasons.get(about, 0) + 1
        kept = self.samples.setdefault((tried.outcome, about), [])
        if len(kept) < _SAMPLES:
            kept.append(tried)

    def as_json(self, *, samples: bool = True) -> dict[str, Any]:
        """With the keys that programs rely on; long values are cut."""
        told: dict[str, Any] = {"total": self.total, "tested": self.tested, **self.counts}
        told["reasons"] = [
            {"reason": reason, "letters": number}
            for reason, number in sorted(self.reasons.items(), key=lambda one: -one[1])
        ]
        if samples:
            told["samples"] = [
                {**one.as_json(), "reason": about if outcome == "broken" else None, "changes": _cut(one.changes)}
                for (outcome, about), several in self.samples.items()
                for one in several
            ]
        return told


def _alike(problem: str) -> str:
    return shortened(_NUMBER.sub("#", _GOT.sub("", without_preamble(problem))), _LONGEST_REASON)


def _cut(changed: tuple[Change, ...]) -> list[dict[str, str]]:
    return [
        {
            "path": shortened(one.path, _LONGEST_VALUE),
            "before": shortened(one.before, _LONGEST_VALUE),
            "after": shortened(one.after, _LONGEST_VALUE),
        }
        for one in changed
    ]
