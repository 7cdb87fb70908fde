"""The whole of it, step by step; whoever is killed in the middle goes on with the same command."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from etld.deadletters.service import open_repairer
from etld.erasure import key as keys
from etld.erasure import records
from etld.errors import EtldError
from etld.forget import filters
from etld.forget.events import EventErasing
from etld.forget.letters import LetterSearch, Sought
from etld.forget.waiting import Readers
from etld.kafka.admin import Admin
from etld.postgres import connections
from etld.postgres.command_session import command_session
from etld.postgres.errors import DatabaseError, classify
from etld.schemas.registry import open_schemas
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etld.config import Config
    from etld.erasure.key import ErasureKey
    from etld.erasure.records import ErasureReceipt
    from etld.erasure.subject import Subject
    from etld.postgres.connections import Connection
    from etld.worker import Addresses

    Tell = Callable[[str], None]

Done = TypeVar("Done")

_LOOK_EVERY = 0.5
# Seconds after which a command that froze inside a transaction has lost it, so that workers go on.
_FROZEN = 15.0


@dataclass(frozen=True, slots=True)
class SubjectCounts:
    """What there is of some subjects."""

    events: int
    dead_letters: int


class Forget:
    """Erases subjects on a running system. `tell` is told what happens; `patience`: so long nothing may."""

    def __init__(
        self,
        config: Config,
        addresses: Addresses,
        kafka_settings: Mapping[str, Any],
        tell: Tell,
        patience: float = 60.0,
    ) -> None:
        self._config = config
        self._addresses = addresses
        self._tell = tell
        self._patience = patience
        self._conn = self._connect(_FROZEN)
        self._readers = Readers(self._conn, config, Admin(kafka_settings), tell, patience)
        repairer = open_repairer(config, addresses, rules=())
        self._letters = LetterSearch(self._conn, repairer, open_schemas(config, addresses, budget=math.inf))
        self._events = EventErasing(self._conn, self._connect, config, self._readers.cluster_id, tell, patience)

    def close(self) -> None:
        """Give the connection up."""
        self._conn.close()

    def look(self, subjects: Sequence[Subject]) -> SubjectCounts:
        """What there is now, and nothing is changed."""
        now = datetime.now(UTC)
        sought = [Sought(0, one, now) for one in subjects]
        return SubjectCounts(self._events.count(sought), self._letters.count(sought))

    def run(self, subjects: Sequence[Subject], who: str) -> list[ErasureReceipt]:
        """Erase for `who`; one receipt a subject, and more where an earlier erasure had come to no end.

        Raises `NotFinished`, `ErasureKeyProblem`, `KafkaProblem` and psycopg errors.
        """
        path = self._config.erasure_key_path
        # A new key beside erasures on record would only hide that theirs is missing.
        key = keys.read(path) if records.any_on_record(self._conn) else keys.make(path)
        records.check_key(self._conn, key)
        # A pooler that gives each transaction another session keeps no lock; erasures share their work then.
        pooled = isinstance(self._conn, connections.PooledConnection)
        told = False
        while not pooled and not records.lock(self._conn):
            if not told:
                told = True
                self._tell("another forget is at work: waiting for it")
            time.sleep(_LOOK_EVERY)
        try:
            self._refuse_rebuilds()
            resumed, done = self._erase(subjects, key, who)
            if resumed:
                # They took what was accepted until they were begun; the rest goes now.
                done += self._erase(resumed, key, who)[1]
        finally:
            if not pooled:
                records.unlock(self._conn)
        return records.receipts(self._conn, done)

    def _refuse_rebuilds(self) -> None:
        found = records.rebuilt(self._conn)
        if found is not None:
            event_type, is_done = found
            what = "keeps the rows that it replaced" if is_done else "is under way"
            how = "--drop-replaced" if is_done else "--cancel"
            raise EtldError(
                f"a rebuild of {event_type} {what}, which would hold the subject's events: `etld rebuild {how}` first",
                code="ETLD-F005",
            )

    def _erase(self, subjects: Sequence[Subject], key: ErasureKey, who: str) -> tuple[list[Subject], list[int]]:
        """The subjects whose erasure had been begun before, and the numbers of all erasures that are done now."""
        by_hash = {key.hashed(one.fields, one.values): one for one in subjects}
        known = {one.id for one in records.unfinished(self._conn, list(by_hash))}
        begun = self._patiently(lambda: records.begin(self._conn, subjects, key, who))
        ids = [one.id for one in begun]
        sought = [Sought(one.id, by_hash[one.subject], one.accepted_until) for one in begun]
        self._tell("looking through dead letters")
        self._patiently(lambda: self._letters.erase(sought))
        self._patiently(lambda: filters.erase(self._conn, subjects))
        self._bring_into_force(ids)
        now = {one.id: one.accepted_until for one in records.unfinished(self._conn, list(by_hash))}
        until = [replace(one, accepted_until=now[one.erasure]) for one in sought]
        self._patiently(lambda: self._letters.erase(until))
        self._events.erase(until)
        self._patiently(lambda: records.finish(self._conn, ids, self._readers.kept()))
        return [by_hash[one.subject] for one in begun if one.id in known], ids

    def _bring_into_force(self, ids: Sequence[int]) -> None:
        ends = self._readers.ends()
        highs = {(key[1], key[2]): high for key, high in ends.items()}
        self._patiently(lambda: records.read_on(self._conn, ids, self._readers.cluster_id, highs))
        self._readers.wait_for_events(records.read_until(self._conn, ids), ends)
        self._readers.wait_for_letters()
        self._patiently(lambda: records.activate(self._conn, ids))

    def _patiently(self, step: Callable[[], Done]) -> Done:
        """A step that may be done twice, tried again while batches are in its way: both may wait for each other."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return step()
            except DatabaseError as error:
                if classify(error) != "retry" or self._conn.closed or time.monotonic() >= deadline:
                    raise
                self._tell(f"{one_line(error)}; trying again")
                time.sleep(_LOOK_EVERY)

    def _connect(self, idle_timeout: float = 0.0) -> Connection:
        assert self._addresses.postgres is not None
        return command_session(self._config, self._addresses.postgres, "etld forget", idle_timeout)
