"""What becomes of one dead letter: the decision, from what is known of it. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from etld.deadletters import trials
from etld.deadletters.failure import Failure
from etld.deadletters.letters import Attempt, Decision
from etld.deadletters.rules.engine import correct, exactly
from etld.errors import EtldError
from etld.events.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.deadletters.decode import DecodedLetter
    from etld.deadletters.letters import LockedLetter, PendingLetter
    from etld.deadletters.repair_types import RepairTypes
    from etld.deadletters.rules.engine import CorrectionRule, Tried
    from etld.isolation.search import Death

# A schema id that nobody knows may be registered any moment; after this long the letter parks,
# and is taken up again when the registry learns the id.
PATIENCE = 15.0
# The processor decoded these and could not store them: unchanged they would fail again.
_STORED_STAGES = ("TASK_PUT", "TRANSFORM")
AS_IT_IS = "(as it is)"
BY_HAND = "(by hand)"
_SHOWN = 5
_PREAMBLE = re.compile(r"no rule (?:repairs it \(tried .*?\)|matches): ")


def identity(letter: PendingLetter, event: dict[str, Any] | None) -> str:
    """The event_id of a repair: the event's own, else what ingest gave it, else the dead letter's id."""
    for known in ((event or {}).get("event_id"), letter.event_id):
        if isinstance(known, str):
            with suppress(ValueError):
                return canonical(known)
    return letter.id


def failure_of(letter: PendingLetter | LockedLetter | Attempt, event_type: str | None) -> Failure:
    """How a letter, or an earlier repair of it, failed."""
    return Failure(letter.stage or "", letter.error_class or "", letter.error or "", letter.sqlstate, event_type)


def counting(history: Sequence[Attempt], base: int) -> list[Attempt]:
    """The attempts since the letter came, or since its last replay."""
    return [one for one in history if one.attempt > base]


def work_on(
    letter: PendingLetter, decoded: DecodedLetter, history: Sequence[Attempt]
) -> tuple[dict[str, Any] | None, Failure]:
    """The event that the next attempt starts from, and what is wrong with it.

    That is the letter itself; or, when an earlier repair failed in its turn, that repair and its error.
    """
    event, failure = decoded.event, failure_of(letter, letter.event_type)
    for one in counting(history, letter.base_attempts):
        if one.outcome == "failed" and one.after is not None:
            event, failure = one.after, failure_of(one, one.after.get("event_type"))
    if event is None:
        return None, failure
    found = event.get("event_type")
    named = found if isinstance(found, str) else failure.event_type
    return (
        {**event, "event_id": identity(letter, decoded.event)},
        Failure(failure.stage, failure.error_class, failure.message, failure.sqlstate, named),
    )


def needs_change(failure: Failure) -> bool:
    """Would the event fail again as it is, though its schema accepts it?"""
    return failure.stage in _STORED_STAGES


def decide(
    letter: PendingLetter,
    decoded: DecodedLetter,
    history: Sequence[Attempt],
    rules: Sequence[CorrectionRule],
    catalog: RepairTypes,
    *,
    stored: bool = False,
) -> Decision:
    """Decide on a letter in state new. `stored` says that its event_id is in the table already."""
    number = letter.attempts + 1
    if stored:
        reason = "an event with this event_id had been stored before"
        audit = Attempt(letter.id, number, None, decoded.event, None, reason, "duplicate")
        return Decision(letter.id, "resolved", number, reason=reason, audit=audit)
    if decoded.waits_for is not None and letter.age < PATIENCE:
        return Decision(
            letter.id,
            "new",
            letter.attempts,
            reason=f"waits for schema id {decoded.waits_for}",
            wait=min(4.0, max(1.0, letter.age)),
            waits_for=decoded.waits_for,
        )
    event, failure = work_on(letter, decoded, history)
    if event is None:
        return _parked(letter, number, None, decoded.reason or "undecodable", decoded.waits_for)
    known = [one.after for one in counting(history, letter.base_attempts) if one.after is not None]
    as_it_is = not (known and exactly(event) in map(exactly, known)) and not catalog.problems(event)
    if as_it_is and not needs_change(failure):
        return _repaired(letter, number, AS_IT_IS, event, event, catalog)
    # Unchanged it was stored by nobody: a rule has to change something.
    tried = correct(rules, event, failure, catalog, known=[*known, event])
    if tried and tried[-1].good and tried[-1].event is not None:
        return _repaired(letter, number, tried[-1].rule, event, tried[-1].event, catalog)
    if tried and tried[-1].rests:
        reason = f"{tried[-1].rule}: {tried[-1].problems[0]}"
        return Decision(letter.id, "new", letter.attempts, reason=reason, wait=tried[-1].rests)
    if as_it_is and letter.replays > 0:
        # A person wants it sent again: perhaps the table takes by now what it refused.
        return _repaired(letter, number, AS_IT_IS, event, event, catalog)
    return _parked(letter, number, event, why(tried, failure, catalog.problems(event)), tried=tried)


def failed_on(letter: PendingLetter, error: Exception) -> Decision:
    """Park a letter that the corrector itself cannot work on."""
    reason = f"etld failed on it, which is a mistake in etld: {type(error).__name__}: {error}"
    return _parked(letter, letter.attempts + 1, None, reason)


def killed(letter: PendingLetter, death: Death) -> Decision:
    """Park a letter that ends the process that works on it."""
    return _parked(letter, letter.attempts + 1, None, trials.killed(death))


def why(tried: Sequence[Tried], failure: Failure, problems: Sequence[str]) -> str:
    """Why no rule repaired an event, for the reader of the parked letter."""
    wrong = "; ".join(problems[:_SHOWN]) or failure.message
    if not tried:
        return f"no rule matches: {wrong}"
    # Most rules leave most of what is wrong as it was: only what they found besides is news.
    news = [f"{one.rule}: {'; '.join(one.problems[:_SHOWN])}" for one in tried if one.problems != tuple(problems)]
    if not problems:
        news.append(wrong)
    return f"no rule repairs it (tried {', '.join(one.rule for one in tried)}): {'; '.join(news or [wrong])}"


def without_preamble(reason: str) -> str:
    """What is wrong with a parked letter, without the words of `why` that are the same for all of them."""
    return reason[found.end() :] if (found := _PREAMBLE.match(reason)) else reason


def _repaired(
    letter: PendingLetter, number: int, rule: str, before: dict[str, Any], after: dict[str, Any], catalog: RepairTypes
) -> Decision:
    try:
        repair = catalog.repair(after)
    except EtldError as error:
        return _parked(letter, number, before, str(error))
    audit = Attempt(letter.id, number, rule, before, after, None, "repaired")
    return Decision(letter.id, "repaired", number, after["event_type"], repair, f"repaired by {rule}", audit=audit)


def _parked(
    letter: PendingLetter,
    number: int,
    event: Any,
    reason: str,
    waits_for: int | None = None,
    tried: Sequence[Tried] = (),
) -> Decision:
    made = [{"rule": one.rule, "after": one.event, "problems": list(one.problems)} for one in tried]
    audit = Attempt(letter.id, number, None, event, None, reason, "parked", tried=made or None)
    return Decision(letter.id, "parked", number, reason=reason, waits_for=waits_for, audit=audit)


def after_return(
    letter: LockedLetter, history: Sequence[Attempt], came_back: Failure, max_attempts: int
) -> tuple[str, str | None]:
    """(state, reason) of a letter whose repair came back as a dead letter itself."""
    recent = counting(history, letter.base_attempts)
    ways = {failure_of(letter, None).way}
    ways |= {failure_of(one, None).way for one in recent if one.outcome == "failed"}
    if came_back.way in ways:
        return "parked", f"failed the same way twice: {came_back.message}"
    if len(recent) >= max_attempts:
        return "parked", f"failed {len(recent)} times (corrector.max_attempts), at last: {came_back.message}"
    return "new", f"its repair failed: {came_back.message}"
