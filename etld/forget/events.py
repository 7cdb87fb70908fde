"""The events of subjects are taken out of the table, some at a time, and out of every summary with them."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from etld.config.names import AGGREGATOR
from etld.erasure import records, rows
from etld.forget.errors import NotFinished
from etld.postgres.errors import DatabaseError, classify
from etld.summaries import definition, restate
from etld.summaries.backfill import CountedStream
from etld.summaries.live import NotYet
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from etld.config import Config
    from etld.forget.letters import Sought
    from etld.postgres.compose import Composable
    from etld.postgres.connections import Connection

_AT_ONCE = 500
# Live traffic first: after each transaction rest as long as it took, and at most so many seconds.
_LONGEST_REST = 1.0
_RETRY_EVERY = 0.5
_SUBJECTS_AT_ONCE = 500


class EventErasing:
    """Takes events out; `connect` makes a second connection, by which they are looked for."""

    def __init__(
        self,
        conn: Connection,
        connect: Callable[[], Connection],
        config: Config,
        cluster_id: str,
        tell: Callable[[str], None],
        patience: float,
    ) -> None:
        self._conn = conn
        self._connect = connect
        self._summaries = definition.read(config.summaries, config.event_types)
        topics = {kind.topic: name for name, kind in config.event_types.items()}
        self._stream = CountedStream(cluster_id, AGGREGATOR, topics)
        self._tell = tell
        self._patience = patience

    def erase(self, sought: Sequence[Sought]) -> int:
        """Take out the events of some subjects whose erasures are active; how many."""
        total = 0
        for fields, until, of_whom in _alike(sought):
            of = rows.condition(fields, list(of_whom), until)
            self._tell("looking through processed_events")
            with self._connect() as looking:
                for found in rows.find(looking, of):
                    for first in range(0, len(found), _AT_ONCE):
                        began = time.monotonic()
                        total += self._take_out(found[first : first + _AT_ONCE], fields, of, of_whom)
                        self._tell(f"erased {total} events")
                        time.sleep(min(_LONGEST_REST, time.monotonic() - began))
        return total

    def count(self, sought: Sequence[Sought]) -> int:
        """How many there are."""
        return sum(
            rows.count(self._conn, rows.condition(fields, list(of_whom), until))
            for fields, until, of_whom in _alike(sought)
        )

    def _take_out(
        self, ids: Sequence[str], fields: Sequence[str], of: Composable, of_whom: Mapping[rows.Values, int]
    ) -> int:
        """One transaction, tried again while somebody is in the way."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._try(ids, fields, of, of_whom)
            except (NotYet, DatabaseError) as error:
                if isinstance(error, DatabaseError) and (classify(error) != "retry" or self._conn.closed):
                    raise
                why = one_line(error)
                if time.monotonic() >= deadline:
                    raise NotFinished(f"{why} (tried for {self._patience:g} s)") from error
                self._tell(f"{why}; trying again")
                time.sleep(_RETRY_EVERY)

    def _try(
        self, ids: Sequence[str], fields: Sequence[str], of: Composable, of_whom: Mapping[rows.Values, int]
    ) -> int:
        conn = self._conn
        with conn.transaction(), conn.cursor() as cur:
            conn.execute("SET LOCAL lock_timeout = '2s'")
            live = restate.hold(conn, self._stream, self._summaries)
            taken = rows.take_out(cur, ids, of)
            if taken:
                for summary in live:
                    restate.take_out(conn, self._stream, summary, rows.GONE)
                counts: dict[int, int] = defaultdict(int)
                for values, events in rows.taken_of(cur, fields).items():
                    counts[of_whom[values]] += events
                records.count(cur, counts, letters=False)
        return taken


def _alike(sought: Sequence[Sought]) -> Iterator[tuple[tuple[str, ...], datetime, dict[rows.Values, int]]]:
    """Subjects that one query finds: their fields, until when, and the number of the erasure by their values."""
    groups: dict[tuple[tuple[str, ...], datetime], list[Sought]] = defaultdict(list)
    for one in sought:
        groups[one.subject.fields, one.accepted_until].append(one)
    for (fields, until), some in groups.items():
        for first in range(0, len(some), _SUBJECTS_AT_ONCE):
            piece = some[first : first + _SUBJECTS_AT_ONCE]
            yield fields, until, {one.subject.values: one.erasure for one in piece}
