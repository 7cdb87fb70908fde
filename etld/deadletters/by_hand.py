"""Repairs that a person makes: from a letter's event to the event that is sent. Pure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.decision import BY_HAND, identity, work_on
from etld.deadletters.letters import Attempt, Decision
from etld.deadletters.rules import paths
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etld.deadletters.decode import DecodedLetter
    from etld.deadletters.letters import PendingLetter
    from etld.deadletters.repair_types import RepairTypes


class NotReplayed(EtldError):
    """A letter stays as it is; `problems` say why."""

    code = "ETLD-D018"

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter in the hands of a person; `event`, where an edit begins, is but an event_id where the bytes are none."""

    letter: PendingLetter
    event: dict[str, Any]
    #: None: the bytes are no event, for this reason.
    before: dict[str, Any] | None
    undecodable: str | None


def draft(letter: PendingLetter, decoded: DecodedLetter) -> Draft:
    """The event of a letter as it came, with the event_id that its repair will have."""
    before, _failure = work_on(letter, decoded, [])
    event = deepcopy(before) if before is not None else {"event_id": identity(letter, None)}
    return Draft(letter, event, before, decoded.reason)


def with_fields(of: Draft, fields: Iterable[tuple[paths.Path, Any]]) -> dict[str, Any]:
    """The event with some fields set; raises `NotReplayed` where there is no place for one."""
    event = deepcopy(of.event)
    for path, value in fields:
        if not paths.put(event, path, value):
            raise NotReplayed(f"there is no place for {paths.text(path)}")
    return event


def problems(of: Draft, event: Any, types: RepairTypes) -> tuple[str, ...]:
    """Why an edited event cannot be sent; nothing when it can."""
    found = types.problems(event)
    if isinstance(event, dict) and event.get("event_id") != of.event.get("event_id"):
        return ("event_id: an event keeps its event_id", *found)
    return found


def decide(of: Draft, event: dict[str, Any], attempt: int, types: RepairTypes) -> Decision:
    """The letter as repaired by hand, in the attempt of this number; raises `EtldError` when it cannot be sent."""
    audit = Attempt(of.letter.id, attempt, BY_HAND, of.before, event, None, "repaired")
    return Decision(
        of.letter.id,
        "repaired",
        attempt,
        event["event_type"],
        types.repair(event),
        f"repaired {BY_HAND}",
        audit=audit,
    )
