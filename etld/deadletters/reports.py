"""What a person is told of a dead letter: all that is known of it, and what rules make of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from etld.deadletters.changes import Change, changes
from etld.deadletters.decision import AS_IT_IS, needs_change, why, work_on
from etld.deadletters.rules.engine import correct, try_matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.deadletters.decode import DecodedLetter
    from etld.deadletters.letters import Attempt, PendingLetter
    from etld.deadletters.queries import FullLetter
    from etld.deadletters.rules.engine import CorrectionRule, EventTypes


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What a rule that matches makes of the event of a letter, and in what that differs from it."""

    rule: str
    event: dict[str, Any] | None
    problems: tuple[str, ...]
    changes: tuple[Change, ...]
    #: In words.
    result: str


@dataclass(frozen=True, slots=True)
class LetterReport:
    """A letter with its attempts (each with what it changed), its bytes as an event, and what the rules make of it."""

    letter: FullLetter
    decoded: DecodedLetter
    attempts: tuple[tuple[Attempt, tuple[Change, ...]], ...]
    rules: tuple[RuleReport, ...]

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on; times as they are."""
        letter = self.letter
        return {
            **letter.listed.as_json(),
            "updated_at": letter.listed.updated_at.isoformat(),
            "key": None if letter.key is None else letter.key.decode("utf-8", "backslashreplace"),
            "value_hex": None if letter.value is None else letter.value.hex(),
            "value_text": None if letter.value is None else letter.value.decode("utf-8", "backslashreplace"),
            "headers": dict(letter.headers),
            "event": self.decoded.event,
            "undecodable": self.decoded.reason,
            "history": [
                {
                    "attempt": one.attempt,
                    "rule": one.rule,
                    "before": one.before,
                    "after": one.after,
                    "tried": one.tried,
                    "error": one.error,
                    "outcome": one.outcome,
                    "returned_as": one.returned_as,
                    "at": one.at,
                }
                for one, _changes in self.attempts
            ],
            "rules": [{"rule": one.rule, "event": one.event, "problems": list(one.problems)} for one in self.rules],
        }


def letter_report(
    letter: FullLetter, decoded: DecodedLetter, rules: Sequence[CorrectionRule], types: EventTypes
) -> LetterReport:
    """All of a letter, and what each rule that matches would make of it now."""
    attempts = tuple(
        (one, changes(one.before, one.after) if one.before is not None and one.after is not None else ())
        for one in letter.history
    )
    event, failure = work_on(letter.pending(), decoded, letter.history)
    if event is None:
        return LetterReport(letter, decoded, attempts, ())
    wrong = types.problems(event)
    made = []
    for rule in rules:
        tried = try_matching(rule, event, failure, types)
        if tried is None:
            continue
        changed = () if tried.event is None else changes(event, tried.event)
        if tried.good and tried.event is not None:
            same = not wrong and types.stored(tried.event) == types.stored(event)
            result = "changes nothing that is stored" if same and changed else "valid" if changed else "changes nothing"
        else:
            result = "does not help" if tried.problems == wrong else "; ".join(tried.problems)
        made.append(RuleReport(tried.rule, tried.event, tried.problems, changed, result))
    return LetterReport(letter, decoded, attempts, tuple(made))


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What rules would make of a letter: repaired by `rule`, broken because of `problem`, or unmatched by any."""

    letter: PendingLetter
    outcome: Literal["repaired", "broken", "unmatched"]
    rule: str | None = None
    problem: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """In what the event differs after the last rule that was tried. Of many letters few are asked."""
        return () if self.before is None or self.after is None else changes(self.before, self.after)

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on."""
        return {
            "id": self.letter.id,
            "event_id": self.letter.event_id,
            "event_type": self.letter.event_type,
            "ok": self.outcome == "repaired",
            "rule": self.rule,
            "problem": self.problem,
            "changes": [{"path": one.path, "before": one.before, "after": one.after} for one in self.changes],
        }


def trial_report(
    letter: PendingLetter,
    decoded: DecodedLetter,
    rules: Sequence[CorrectionRule],
    types: EventTypes,
    *,
    only_matching: bool = False,
) -> TrialReport:
    """Try rules on a letter as if it had just come; `only_matching`: what no rule is for is unmatched, not broken."""
    event, failure = work_on(letter, decoded, [])
    if event is None:
        return TrialReport(letter, "broken", problem=decoded.reason or "undecodable")
    problems = types.problems(event)
    if not problems and not needs_change(failure):
        return TrialReport(letter, "repaired", AS_IT_IS)
    # As it is it was refused: the same again is no repair, where it is valid at all.
    tried = correct(rules, event, failure, types, known=() if problems else (event,))
    if only_matching and not tried:
        return TrialReport(letter, "unmatched")
    last = tried[-1] if tried else None
    made = None if last is None else last.event
    if last is not None and last.good:
        return TrialReport(letter, "repaired", last.rule, None, event, made)
    return TrialReport(letter, "broken", None, why(tried, failure, problems), event, made)
