"""Where letters are repaired: take what is due, decide, write state, repair and audit in one transaction."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from etld.deadletters import decision, lifecycle, outcomes, repository
from etld.deadletters.decode import DecodedLetter, announce, decode
from etld.errors import EtldError
from etld.isolation.search import ERROR_CLASS
from etld.postgres.errors import DatabaseError
from etld.serdes.base import STAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from etld.deadletters.letters import Decision, PendingLetter
    from etld.deadletters.repair_types import RepairTypes
    from etld.deadletters.rules.engine import CorrectionRule
    from etld.postgres.connections import Connection
    from etld.schemas.registry import SchemaCache

log = logging.getLogger("etld.corrector")

# Seconds: hooks may be slow, and the letters of a batch are locked meanwhile. The rest waits for the next one.
_AT_A_TIME = 2.0
# Seconds of each look for schemas that letters wait for.
_ASKED_FOR = 1.0


class Repairer:
    """The rules and event types of one configuration, applied to the table."""

    def __init__(self, rules: Sequence[CorrectionRule], catalog: RepairTypes, schemas: SchemaCache) -> None:
        self.rules = rules
        self.catalog = catalog
        self._schemas = schemas

    def repair_due(self, conn: Connection, limit: int, window: int) -> int:
        """Decide on up to `limit` letters; how many. Errors of the registry go through, nothing is written.

        `window` is the breaker's, which counts those that park after repairs of theirs had failed.
        """
        with conn.transaction(), conn.cursor() as cur:
            waiting = repository.take_new(cur, limit)
            if not waiting:
                return 0
            self.announce(waiting)
            history = repository.attempts_of(cur, [one.id for one in waiting if one.attempts])
            decisions: list[Decision] = []
            read: list[tuple[PendingLetter, DecodedLetter, str]] = []
            for one in waiting:
                with self._spared(one, decisions):
                    decoded = self.decode(one)
                    read.append((one, decoded, decision.identity(one, decoded.event)))
            stored = repository.stored_already(cur, list({event_id for _, _, event_id in read}))
            enough = time.monotonic() + _AT_A_TIME
            for one, decoded, event_id in read:
                earlier = history.get(one.id, [])
                types = self.catalog.at(one.asked_at)
                with self._spared(one, decisions):
                    decisions.append(
                        decision.decide(one, decoded, earlier, self.rules, types, stored=event_id in stored)
                    )
                if time.monotonic() > enough:
                    break
            repository.write_decisions(cur, decisions)
            came_back = {
                one.id: one.age for one in waiting if decision.counting(history.get(one.id, ()), one.base_attempts)
            }
            parked = [one.id for one in decisions if one.state == "parked"]
            outcomes.note(cur, window, came_back=[came_back[one] for one in parked if one in came_back])
        return len(decisions)

    @contextlib.contextmanager
    def _spared(self, letter: PendingLetter, decisions: list[Decision]) -> Iterator[None]:
        """One letter that brings a mistake of ours to light is parked with it, and the others go on."""
        try:
            yield
        except (EtldError, DatabaseError):
            raise
        except Exception as error:
            log.exception("dead letter %s could not be worked on; it is parked", letter.id)
            decisions.append(decision.failed_on(letter, error))

    def decode(self, letter: PendingLetter) -> DecodedLetter:
        """What the bytes of a letter say; those that ended processes which decoded them are left alone."""
        if (letter.error_class, letter.stage) == (ERROR_CLASS, STAGE):
            return DecodedLetter(None, f"not decoded: {letter.error}")
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
