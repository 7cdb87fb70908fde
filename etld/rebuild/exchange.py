"""The shadow replaces the rows that it stands for.

What differs is found in a snapshot, while all go on. Then, in one transaction in which the processors of the event type
stand still, what was read since is compared too, only what differs is exchanged, and positions, ledger, letters and
summaries follow. Whatever does not agree ends the try, and nothing has happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.config.names import AGGREGATOR, PROCESSOR
from etld.errors import EtldError
from etld.postgres import statements
from etld.postgres.compose import SQL
from etld.rebuild import record
from etld.sinks.postgres.columns import filled
from etld.sinks.postgres.deduplication import leaves
from etld.sinks.postgres.partitions import catalog
from etld.summaries import backfill, counted_events, definition, tables
from etld.summaries.backfill import CountedStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.rebuild.record import Rebuild, RecordSource
    from etld.rebuild.session import RebuildSession

_SQL = statements.load(__package__, "exchange")
_FIND_OUT, _FIND_IN, _PUT_IN = filled(_SQL.find_out), filled(_SQL.find_in), filled(_SQL.put_in)
# Seconds that the rebuild has, while the processors stand still, to read what they have read.
_CATCH_UP, _LOOK_EVERY = 4.0, 0.02
# After so many tries the comparison is made while the processors stand still.
_TRIES = 3


class NotNow(EtldError):
    """Something has changed since the comparison, or somebody is behind: try again."""

    code = "ETLD-T004"


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange did: rows that went and came, those of the range now, and the summaries that are filled anew."""

    gone: int
    come: int
    rows: int
    summaries: tuple[str, ...] = ()


class Exchange:
    """Of one rebuild, in its session. `stop` is called once nothing more is to be read."""

    def __init__(
        self,
        session: RebuildSession,
        config: Config,
        rebuild: Rebuild,
        source: RecordSource,
        stop: Callable[[], object],
    ) -> None:
        self._session = session
        self._config = config
        self._rebuild = rebuild
        self._stop = stop
        self._tries = 0
        types = {kind.topic: name for name, kind in config.event_types.items()}
        self._stream = CountedStream(source.cluster_id, AGGREGATOR, types)
        self._where: dict[str, Any] = {
            "event_type": rebuild.event_type,
            "group": record.group_of(rebuild.event_type),
            "processor": f"{PROCESSOR}{rebuild.event_type}",
            "aggregator": AGGREGATOR,
            "cluster": source.cluster_id,
            "topic": source.topic,
        }

    @property
    def _conn(self) -> Connection:
        return self._session.conn

    def run(self) -> Exchanged:
        """Compare and exchange; raises `NotNow`, `EtldError` and psycopg errors, and nothing has happened."""
        conn = self._conn
        self._tries += 1
        conn.execute(_SQL.temporary)
        conn.execute(_SQL.analyze)
        # Time goes on: what expires meanwhile must not come back.
        cut = record.cut_of(conn, self._config, self._rebuild.event_type, self._rebuild.since)
        self._where["cut"] = "-infinity" if cut is None else cut.isoformat()
        if self._tries <= _TRIES:
            with conn.transaction():
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                self._compare()
        with conn.transaction():
            conn.execute(_SQL.patience)
            if conn.execute(_SQL.no_retention).fetchone() != (True,):
                raise NotNow("events whose time is over are being removed")
            self._hold()
            if self._tries > _TRIES:
                conn.execute(_SQL.temporary)
                self._compare()
            self._compare_since()
            self._stop()
            return self._exchange()

    def _compare(self) -> None:
        run = self._conn.execute
        run(_SQL.bounds, self._where)
        for partition, counted, there in run(_SQL.unbalanced, self._where).fetchall():
            raise EtldError(
                f"the shadow has {there} rows of partition {partition}, and {counted} were counted: somebody has"
                " changed etld.rebuild_event. `etld rebuild --cancel`, and begin again",
                code="ETLD-T003",
            )
        run(_SQL.count_rows, self._where)
        run(_FIND_OUT, self._where)
        run(_FIND_IN, {**self._where, "before": True})

    def _hold(self) -> None:
        """The processors stand still, and the rebuild comes to where they are."""
        run = self._conn.execute
        run(_SQL.hold, self._where)
        deadline = time.monotonic() + _CATCH_UP
        while run(_SQL.behind, self._where).fetchone() != (0,):
            if time.monotonic() >= deadline:
                raise NotNow("the processors are ahead")
            time.sleep(_LOOK_EVERY)
        run(_SQL.hold_rebuild, self._where)

    def _compare_since(self) -> None:
        run = self._conn.execute
        if run(_SQL.changed, self._where).fetchone() != (0,):
            raise NotNow("positions have begun new lives, events have expired, or the processors are far behind")
        run(_FIND_IN, {**self._where, "before": False})
        if run(_SQL.unsure, self._where).fetchone() != (0,):
            raise NotNow("the processors have stored other rows since than the shadow has")

    def _exchange(self) -> Exchanged:
        conn, run, where = self._conn, self._conn.execute, self._where
        # As whoever makes summaries: first these, then the aggregator.
        run(_SQL.hold_summaries)
        backfill.hold_positions(conn, self._stream)
        counts = run(_SQL.replaced_counts, where).fetchall()
        replaced = {number: int(rows) for number, rows, _ in counts}
        stored = {number: int(rows) + int(lost) for number, rows, lost in counts}
        out = dict(run(_SQL.out_counts).fetchall())
        run(_SQL.analyze_changes)
        self._enter()
        if self._take_out() != sum(out.values()):
            raise NotNow("rows were deleted by somebody else")
        today = counted_events.today()
        where = {**where, "today": today if today in counted_events.days(conn) else None}
        come = dict(run(_PUT_IN, where).fetchall())
        rows = {number: count - out.get(number, 0) + come.get(number, 0) for number, count in replaced.items()}
        self._books(stored, rows)
        run(_SQL.send_letters)
        anew = self._summaries() if out or come else ()
        record.finish(conn, self._rebuild.event_type, kept=self._rebuild.keep_replaced and bool(out))
        return Exchanged(sum(out.values()), sum(come.values()), sum(rows.values()), anew)

    def _enter(self) -> None:
        """As a batch does that writes leaves which are not current: alone."""
        row = self._conn.execute(_SQL.span).fetchone()
        if row is None or row[0] is None or not catalog.is_partitioned(self._conn):
            return
        lowest, highest = row
        with self._conn.cursor() as cur:
            found, _ = leaves.enter(cur, lowest, highest, self._config.storage.dedup_window, alone=True)
            leaves.change(cur, [leaf for leaf in found if not leaf.current])

    def _take_out(self) -> int:
        if not self._rebuild.keep_replaced:
            return self._conn.execute(_SQL.take_out_for_good, self._where).rowcount
        table = record.replaced_table(self._rebuild.event_type)
        self._conn.execute(SQL("CREATE TABLE {} (LIKE public.processed_events)").format(table))
        count = self._conn.execute(SQL(_SQL.take_out.decode()).format(replaced=table), self._where).rowcount
        if not count:
            self._conn.execute(SQL("DROP TABLE {}").format(table))
        return count

    def _books(self, stored: dict[int, int], rows: dict[int, int]) -> None:
        """New lives of the positions, with `rows`; the lives before lose what they had `stored` of the same records."""
        run, where = self._conn.execute, self._where
        numbers = {"partitions": list(rows), "rows": list(rows.values()), "replaced": [stored[one] for one in rows]}
        run(_SQL.archive, where)
        run(_SQL.take_over, {**where, **numbers})
        lives = run(_SQL.begin_life, {**where, **numbers}).fetchall()
        if len(lives) != len(rows) or any(duplicates < 0 for _, duplicates in lives):
            raise EtldError(
                "the shadow does not agree with what was read: `etld rebuild --cancel`, and begin again when"
                " `etld reconcile` names no difference",
                code="ETLD-T003",
            )

    def _summaries(self) -> tuple[str, ...]:
        """Those that the event type is part of are to be filled anew; of which the aggregator has made tables."""
        summaries = definition.read(self._config.summaries, self._config.event_types)
        mine = [one for one in tables.ready(self._conn, summaries) if self._rebuild.event_type in one.event_types]
        for summary in mine:
            try:
                tables.rebuild(self._conn, self._stream, summary)
            except EtldError as error:
                raise NotNow(str(error)) from error
        return tuple(one.name for one in mine)
