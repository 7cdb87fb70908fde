"""Dead letters for people: all that the command line does with them, and a page may.

It prints nothing and asks nothing. What it takes and gives are plain values and frozen dataclasses. The rules
themselves are looked after by `rule_store`.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etld.deadletters import by_hand, error_groups, jobs, queries, repository
from etld.deadletters.by_hand import Draft, NotReplayed
from etld.deadletters.letter_filter import LetterFilter
from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.repairer import Repairer
from etld.deadletters.reports import LetterReport, TrialReport, letter_report, trial_report
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.rules.steps.base import RuleError
from etld.deadletters.trials import was_killed
from etld.errors import EtldError, UsageError
from etld.schemas import catalog
from etld.schemas.registry import open_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.config import Config
    from etld.deadletters.error_groups import ErrorGroups
    from etld.deadletters.jobs import LetterJob
    from etld.deadletters.queries import ListedLetter
    from etld.deadletters.rules import paths
    from etld.postgres.connections import Connection
    from etld.worker import Addresses

_GROUPS, _ALL = 200, 1_000_000
_TEST_AT_ONCE = 1000
_UUID_LENGTH = 36
_NAME = re.compile(r"[0-9a-fA-F-]{4,36}")


@dataclass(frozen=True, slots=True)
class BulkAction:
    """What may be done with many letters: its verb, its participle, and the states in which a letter can be."""

    verb: str
    past: str
    states: tuple[str, ...]


REPLAY = BulkAction("replay", "replayed", queries.REPLAYED)
DISCARD = BulkAction("discard", "discarded", queries.DISCARDED)


def bulk_filter(action: BulkAction, chosen: LetterFilter, *, named: bool) -> LetterFilter:
    """The filter with the states of an action where it has none: all of them if letters are `named`, else parked alone.

    Raises `UsageError` for a state in which the action cannot be done.
    """
    for state in chosen.states or ():
        if state not in action.states:
            raise UsageError(
                f"a letter that is {state} cannot be {action.past}; expected {', '.join(action.states)}",
                code="ETLD-D017",
            )
    return chosen if chosen.states else replace(chosen, states=action.states if named else ("parked",))


def letter_names(given: Sequence[str]) -> tuple[str, ...]:
    """Ids, event_ids or beginnings of ids as a person wrote them; raises `UsageError` for what is none."""
    for name in given:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not the id of a dead letter: expected a UUID, or four characters of it")
    return tuple(name.lower() for name in given)


def open_repairer(
    config: Config, addresses: Addresses, rules: Any = None, only: str | None = None, *, patience: float = math.inf
) -> Repairer:
    """A repairer with the rules of the configuration, or with others; with `only`, the rule of that name.

    `patience`: seconds for the registry; a command has time.

    Raises `EtldError` for rules that cannot be loaded, and `UsageError` when there is no such rule.
    """
    try:
        compiled = compile_rules(config.corrector.rules if rules is None else rules)
    except RuleError as error:
        raise EtldError(f"corrector.rules: {error.message}", code="ETLD-C014") from error
    if only is not None:
        known = ", ".join(rule.name for rule in compiled) or "none"
        compiled = tuple(rule for rule in compiled if rule.name == only)
        if not compiled:
            raise UsageError(f"there is no rule {only!r}; the rules are {known}", code="ETLD-D019")
    schemas = open_schemas(config, addresses, budget=patience)
    return Repairer(compiled, RepairTypes(catalog.of_registered_and_files(config)), schemas)


class DeadLetterService:
    """Dead letters by one connection. `repairer` is needed where rules are tried and where events are validated."""

    def __init__(self, conn: Connection, repairer: Repairer | None = None) -> None:
        self._conn = conn
        self._given = repairer

    def identified(self, chosen: LetterFilter, names: Sequence[str], action: BulkAction | None = None) -> LetterFilter:
        """The filter for the letters with these names (of `letter_names`), one for each; as it is where there are none.

        Raises `EtldError` where a name means no letter, several, or one with which `action` cannot be done.
        """
        if not names:
            return chosen
        there = queries.states_of(self._conn, [name for name in names if len(name) == _UUID_LENGTH])
        ids = []
        for name in names:
            found = [(name, there[name])] if name in there else queries.named(self._conn, name)
            if not found:
                raise EtldError(f"there is no dead letter {name}", code="ETLD-D016")
            if len(found) > 1:
                raise EtldError(
                    f"{name} is more than one dead letter: {found[0][0]}, {found[1][0]} …", code="ETLD-D016"
                )
            ((letter, state),) = found
            if action and chosen.states and state not in chosen.states:
                allowed = ", ".join(chosen.states)
                raise EtldError(
                    f"dead letter {letter} is {state}; only {allowed} can be {action.past}", code="ETLD-D017"
                )
            ids.append(letter)
        return replace(chosen, ids=tuple(ids))

    def count(self, chosen: LetterFilter) -> int:
        """How many letters a filter chooses."""
        return queries.count(self._conn, chosen)

    def listed(
        self, chosen: LetterFilter, limit: int | None = None, after: str | None = None
    ) -> Iterator[ListedLetter]:
        """Letters, newest first, from the one after the letter with the id `after` on; at most `limit`."""
        return queries.pages(self._conn, chosen, limit, after)

    def show(self, name: str) -> LetterReport:
        """All of one letter, and what the rules would make of it; raises `EtldError` if the name means not just one."""
        found = queries.find(self._conn, name)
        if not found:
            raise EtldError(f"no dead letter has the id or event_id {name}", code="ETLD-D016")
        letter = found[0]
        if len(found) > 1 and letter.listed.id != name:
            raise EtldError(
                f"{name} is more than one dead letter: {letter.listed.id}, {found[1].listed.id} …", code="ETLD-D016"
            )
        repairer = self._repairer
        types = repairer.catalog.at(letter.asked_at)
        # Its hook would end this command too.
        rules = () if was_killed(letter.listed.reason) else repairer.rules
        return letter_report(letter, repairer.decode(letter.pending()), rules, types)

    def groups(self, chosen: LetterFilter, most: int = _GROUPS) -> ErrorGroups:
        """What is wrong with the letters that a filter chooses: at most so many groups, the largest first."""
        return error_groups.groups(self._conn, chosen, most)

    def states(self, chosen: LetterFilter) -> dict[str, int]:
        """How many of the letters that a filter chooses are in each state."""
        return queries.by_state(self._conn, chosen)

    def statistics(self, states: Sequence[str] | None = None) -> dict[str, Any]:
        """Numbers of letters, or of those in some states, by state, error, rule and day of arrival."""
        chosen = LetterFilter(states=None if states is None else tuple(states))
        return {
            "states": self.states(chosen),
            "errors": [one.as_json() for one in self.groups(chosen, _ALL).groups],
            "rules": queries.by_rule(self._conn, states),
            "days": queries.by_day(self._conn, states),
        }

    def rule_counts(self) -> dict[str, dict[str, int]]:
        """By rule, also one that is no more: `attempts`, and of them `stored`, `failed`, `under_way` and `parked`."""
        return {row.pop("rule"): row for row in queries.by_rule(self._conn)}

    def repairs(self, rules: Sequence[str]) -> dict[str, dict[str, int]]:
        """What became of the repairs of these rules, as far as there are any: `repaired`, `failed`, `under_way`."""
        return queries.outcomes_of_rules(self._conn, rules)

    def test(
        self, chosen: LetterFilter, limit: int | None = None, *, only_matching: bool = False
    ) -> Iterator[TrialReport]:
        """What the rules would make of letters; nothing is changed. See `trial_report`."""
        batch: list[str] = []
        for row in queries.pages(self._conn, chosen, limit, None, _TEST_AT_ONCE):
            batch.append(row.id)
            if len(batch) == _TEST_AT_ONCE:
                yield from self._tested(batch, only_matching=only_matching)
                batch.clear()
        yield from self._tested(batch, only_matching=only_matching)

    def begin(
        self, action: BulkAction, chosen: LetterFilter, asked_by: str, reason: str | None = None, hold: float = 0.0
    ) -> LetterJob:
        """Ask for an action on all letters that a filter of `bulk_filter` chooses. A corrector does it, page by page.

        With `hold`, no corrector does while whoever asked calls `work` at least every `hold` seconds.
        """
        return jobs.add(
            self._conn, action.verb, chosen, self.count(chosen), asked_by=asked_by, reason=reason, hold=hold
        )

    def work(self, job: LetterJob, hold: float) -> Iterator[LetterJob]:
        """Do an action that was asked for, some hundred letters a transaction: how far it is each time."""
        while jobs.work(self._conn, job.id, hold):
            yield self.job(job.id)

    def job(self, job_id: int) -> LetterJob:
        """How far an action is; raises `EtldError` when there is none of this number."""
        found = jobs.of_id(self._conn, job_id)
        if found is None:
            raise EtldError(f"there is no job {job_id}", code="ETLD-D021")
        return found

    def jobs(self, limit: int) -> list[LetterJob]:
        """The last actions that were asked for, the newest first."""
        return jobs.latest(self._conn, limit)

    def cancel(self, job_id: int) -> LetterJob:
        """Do no more of an action; what is done stays done. Raises `EtldError` when there is none of this number."""
        jobs.finish(self._conn, job_id, "cancelled")
        return self.job(job_id)

    def draft(self, letter_id: str) -> Draft:
        """A letter as a person edits it; raises `NotReplayed`."""
        with _not_too_deep():
            found = queries.pending(self._conn, [letter_id])
            if not found:
                raise NotReplayed("it was deleted meanwhile")
            return by_hand.draft(found[0], self._repairer.decode(found[0]))

    def with_fields(self, of: Draft, fields: Sequence[tuple[paths.Path, Any]]) -> dict[str, Any]:
        """The event of a draft with some fields set; raises `NotReplayed` where there is no place for one."""
        with _not_too_deep():
            return by_hand.with_fields(of, fields)

    def problems(self, of: Draft, event: Any) -> tuple[str, ...]:
        """Why an edited event cannot be sent; nothing when it can."""
        with _not_too_deep():
            return by_hand.problems(of, event, self._repairer.catalog.at(of.letter.asked_at))

    def replay_by_hand(self, of: Draft, event: dict[str, Any]) -> None:
        """Hand an edited event over to be sent, with itself on record; raises `NotReplayed`, and `EtldError`."""
        wrong = self.problems(of, event)
        if wrong:
            raise NotReplayed(*wrong)
        types = self._repairer.catalog.at(of.letter.asked_at)
        with _not_too_deep(), self._conn.transaction(), self._conn.cursor() as cur:
            locked = repository.lock(cur, of.letter.id)
            if locked is None or locked.state not in REPLAY.states:
                raise NotReplayed(f"its state is now {locked.state if locked else 'gone'}")
            decision = by_hand.decide(of, event, locked.attempts + 1, types)
            queries.replay(cur, (of.letter.id,), queries.now(self._conn))
            repository.write_decisions(cur, [decision])

    @property
    def _repairer(self) -> Repairer:
        assert self._given is not None
        return self._given

    def _tested(self, ids: Sequence[str], *, only_matching: bool) -> Iterator[TrialReport]:
        repairer = self._repairer
        letters = queries.pending(self._conn, ids)
        repairer.announce(letters)
        for letter in letters:
            types = repairer.catalog.at(letter.asked_at)
            decoded = repairer.decode(letter)
            yield trial_report(letter, decoded, repairer.rules, types, only_matching=only_matching)


@contextmanager
def _not_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise NotReplayed("it is nested too deeply to be changed; only its sender can mend it") from None
