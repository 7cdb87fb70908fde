"""Where letters are repaired: take what is due, decide, write state, repair and audit in one transaction."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from etld.deadletters import decision, lifecycle, outcomes, repository, trials
from etld.deadletters.decode import DecodedLetter, announce, decode
from etld.deadletters.trials import Trials
from etld.errors import EtldError
from etld.isolation.search import ERROR_CLASS
from etld.postgres.errors import DatabaseError
from etld.serdes.base import STAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etld.deadletters.letters import Attempt, Decision, PendingLetter
    from etld.deadletters.repair_types import RepairTypes
    from etld.deadletters.rules.engine import CorrectionRule
    from etld.postgres.connections import Connection, Cursor
    from etld.schemas.registry import SchemaCache

log = logging.getLogger("etld.corrector")

# Seconds: hooks may be slow, and the letters of a batch are locked meanwhile. The rest waits for the next one.
_AT_A_TIME = 2.0
# So many letters wait in memory until they are tried.
_TRIED_AT_MOST = 400
# Seconds for which nobody takes a letter that is being tried, unless it is said again.
_LEASE = 30.0
# Seconds of each look for schemas that letters wait for.
_ASKED_FOR = 1.0


class Repairer:
    """The rules and event types of one configuration, applied to the table."""

    def __init__(self, rules: Sequence[CorrectionRule], catalog: RepairTypes, schemas: SchemaCache) -> None:
        self.rules = rules
        self.catalog = catalog
        self._schemas = schemas

    def repair_due(self, conn: Connection, limit: int, window: int, tries: Trials | None = None) -> int:
        """Decide on up to `limit` letters; how many. Errors of the registry go through, nothing is written.

        `window` is the breaker's, which counts those that park after repairs of theirs had failed. `tries` knows
        which letters are not to be touched before they have been tried elsewhere.
        """
        tries = Trials() if tries is None else tries
        verdicts = tries.verdicts()
        if not verdicts and len(tries.under_way) >= _TRIED_AT_MOST:
            return 0
        with conn.transaction(), conn.cursor() as cur:
            waiting = repository.take_tried(cur, list(verdicts)) if verdicts else repository.take_new(cur, limit)
            history = repository.attempts_of(cur, [one.id for one in waiting if one.attempts])
            decisions = [decision.killed(one, death) for one in waiting if (death := verdicts.get(one.id)) is not None]
            held = [one for one in waiting if one.id not in verdicts and tries.wants(one.id)]
            aside = {one.id for one in decisions} | {one.id for one in held}
            decisions += self._decided(cur, [one for one in waiting if one.id not in aside], history, tries)
            repository.write_decisions(cur, decisions)
            repository.set_aside(cur, [one.id for one in held], _LEASE)
            came_back = {
                one.id: one.age for one in waiting if decision.counting(history.get(one.id, ()), one.base_attempts)
            }
            parked = [one.id for one in decisions if one.state == "parked"]
            outcomes.note(cur, window, came_back=[came_back[one] for one in parked if one in came_back])
        tries.submit([(one, history.get(one.id, [])) for one in held])
        tries.settled([one.id for one in decisions] + list(verdicts.keys() - {one.id for one in waiting}))
        return len(decisions)

    def hold(self, conn: Connection, letters: Sequence[str]) -> None:
        """Let nobody take letters meanwhile that are being tried: to be called more often than every half a minute."""
        if letters:
            with conn.transaction(), conn.cursor() as cur:
                repository.set_aside(cur, letters, _LEASE)

    def _decided(
        self, cur: Cursor, waiting: Sequence[PendingLetter], history: Mapping[str, Sequence[Attempt]], tries: Trials
    ) -> list[Decision]:
        decisions: list[Decision] = []
        with tries.holding(one.id for one in waiting):
            self.announce(waiting)
        read: list[tuple[PendingLetter, DecodedLetter, str]] = []
        for one in waiting:
            with tries.holding([one.id]), self._spared(one, decisions, tries):
                decoded = self.decode(one)
                read.append((one, decoded, decision.identity(one, decoded.event)))
        stored = repository.stored_already(cur, list({event_id for _, _, event_id in read}))
        enough = time.monotonic() + _AT_A_TIME
        for one, decoded, event_id in read:
            with tries.holding([one.id]), self._spared(one, decisions, tries):
                decisions.append(self.decide(one, decoded, history.get(one.id, []), stored=event_id in stored))
            if time.monotonic() > enough:
                break
        return decisions

    @contextlib.contextmanager
    def _spared(self, letter: PendingLetter, decisions: list[Decision], tries: Trials) -> Iterator[None]:
        """One letter that brings a mistake of ours to light is parked with it, and the others go on."""
        try:
            yield
        except (EtldError, DatabaseError):
            raise
        except MemoryError:
            tries.suspect(letter.id)
        except Exception as error:
            log.exception("dead letter %s could not be worked on; it is parked", letter.id)
            decisions.append(decision.failed_on(letter, error))

    def decide(
        self, letter: PendingLetter, decoded: DecodedLetter, earlier: Sequence[Attempt], *, stored: bool = False
    ) -> Decision:
        """What the rules make of a letter after these attempts; see `etld.deadletters.decision`."""
        types = self.catalog.at(letter.asked_at)
        return decision.decide(letter, decoded, earlier, self.rules, types, stored=stored)

    def decode(self, letter: PendingLetter) -> DecodedLetter:
        """What the bytes of a letter say; those that ended processes which decoded them are left alone."""
        if (letter.error_class, letter.stage) == (ERROR_CLASS, STAGE):
            return DecodedLetter(None, f"not decoded: {letter.error}")
        if trials.was_killed(letter.reason, STAGE):
            return DecodedLetter(None, f"not decoded: {letter.reason}")
        return decode(letter.value, self._schemas, letter.schema_header)

    def announce(self, letters: Iterable[PendingLetter]) -> None:
        """These are decoded next: their schemas are asked for at once. Raises what the registry raises."""
        announce(((one.value, one.schema_header) for one in letters), self._schemas)

    def revive(self, conn: Connection) -> int:
        """Take parked letters up again whose schema id the registry has learnt; how many."""
        # Outside of a transaction: a registry may be slow.
        known = self._schemas.found(lifecycle.waits_for(conn), _ASKED_FOR)
        with conn.transaction(), conn.cursor() as cur:
            # One that is known and no event's, too: what waited for it parks anew with that reason.
            return lifecycle.revive(cur, known)
