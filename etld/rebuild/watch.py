"""Beside the reading, in a thread: how far it is, and the exchange when it is near."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres.errors import DatabaseError, classify
from etld.rebuild import record
from etld.rebuild.exchange import Exchange, NotNow
from etld.util.text import one_line, thousands

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.rebuild.exchange import Exchanged
    from etld.rebuild.record import Rebuild, RebuildProgress, RecordSource
    from etld.rebuild.session import RebuildSession
    from etld.worker import Worker

_LOOK_EVERY, _AGAIN_AFTER, _TELL_EVERY = 0.5, 2.0, 5.0
# So few records behind the processors the exchange is tried.
_NEAR = 20_000


class Watch:
    """Ends the worker when it ends: after the exchange, when the rebuild is cancelled, or of a failure.

    `is_over`: one of the former two. Raises in `join` what it failed of.
    """

    def __init__(
        self,
        session: RebuildSession,
        config: Config,
        worker: Worker,
        one: Rebuild,
        source: RecordSource,
        tell: Callable[[str], None],
    ) -> None:
        self._session = session
        self._worker = worker
        self._one = one
        self._tell = tell
        self._exchange = Exchange(session, config, one, source, worker.request_stop)
        self._told_at = self._not_before = 0.0
        self._told = ""
        self._failure: BaseException | None = None
        self.is_over = False
        self._thread = threading.Thread(target=self._run, name="exchange", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, once the worker has come to its own."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self.is_over:
            # The loop may have claimed once more before it ended.
            record.clear(self._session.conn)

    def _run(self) -> None:
        try:
            while not self._worker.stopping:
                self._try_to_watch()
        except BaseException as error:  # told to the thread that reads
            self._failure = error
        finally:
            self._worker.request_stop()

    def _try_to_watch(self) -> None:
        try:
            if self._session.conn.closed:
                self._session.reconnect()
            while not self.is_over and not self._worker.stopping:
                self._look()
                time.sleep(_LOOK_EVERY)
            self._worker.request_stop()
        except (DatabaseError, EtldError) as error:
            passes = classify(error) == "retry" if isinstance(error, DatabaseError) else self._session.conn.closed
            if not passes and isinstance(error, DatabaseError):
                raise EtldError(
                    f"{self._one.event_type}: PostgreSQL refuses that the shadow replaces, and nothing has happened:"
                    f" {one_line(error)}. When that is mended `etld rebuild` goes on, and --cancel gives it up",
                    code="ETLD-T002",
                ) from error
            if not passes:
                raise
            self._say(f"trying again: {one_line(error)}")
            time.sleep(_AGAIN_AFTER)

    def _look(self) -> None:
        conn, name = self._session.conn, self._one.event_type
        state = record.state(conn, name)
        if state != "reading":
            if state == "cancelled":
                record.give_up(conn)
            # Else it is done: the connection broke when that was to be told.
            self._tell(f"{name}: {'cancelled, and the table is as it was' if state == 'cancelled' else 'replaced'}")
            self.is_over = True
            return
        found = record.progress(conn, name)
        if found.halted:
            raise EtldError(
                f"{name}: the records cannot be read on ({found.halted}): `etld rebuild --cancel`, and begin again",
                code="ETLD-T003",
            )
        self._say_how_far(found)
        if found.behind > _NEAR or time.monotonic() < self._not_before:
            return
        try:
            done = self._exchange.run()
        except NotNow as error:
            self._say(f"{name}: not replaced yet, trying again: {error}")
            self._not_before = time.monotonic() + _AGAIN_AFTER
        else:
            self._tell(_in_words(self._one, done))
            self.is_over = True

    def _say_how_far(self, found: RebuildProgress) -> None:
        if time.monotonic() - self._told_at < _TELL_EVERY:
            return
        self._told_at = time.monotonic()
        faults = "".join(f"; {text}" for text in list(self._worker.metrics.faults.values()))
        self._tell(
            f"{self._one.event_type}: {thousands(found.read)} records read, {thousands(found.behind)} behind the"
            f" processors, {thousands(found.rows)} rows{faults}"
        )

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell(text)


def _in_words(one: Rebuild, done: Exchanged) -> str:
    kept = ""
    if done.gone and one.keep_replaced:
        table = record.replaced_table(one.event_type).as_string(None)
        kept = f". Those that went are in {table} until `etld rebuild --drop-replaced`"
    anew = f"; the aggregator fills anew {', '.join(done.summaries)}" if done.summaries else ""
    return (
        f"{one.event_type}: replaced. {thousands(done.rows)} rows stand for what was read: {thousands(done.gone)} went,"
        f" {thousands(done.come)} came, the rest was the same{anew}{kept}"
    )
