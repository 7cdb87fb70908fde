"""The move of event ids that an earlier version kept as text, a page at a time beside the corrector's work."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from etld.deadletters import event_ids, late_indexes
from etld.postgres.errors import DatabaseError, DatabaseProblem
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.postgres.connections import Connection

log = logging.getLogger("etld.corrector")

_PAGE = 1000


class EventIdMove:
    """Moves until a whole look at the table found nothing to move, then has letters indexed, in a thread of its own.

    `connect` gives connections without limits of time. Where all is moved, a start of the corrector costs two looks.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._after = event_ids.IdPage()
        self._moved = 0
        self.over = False

    def step(self, conn: Connection) -> None:
        """Move a page."""
        with conn.transaction(), conn.cursor() as cur:
            after, moved = event_ids.move(cur, self._after, _PAGE)
        self._moved += moved
        self._after = after or event_ids.IdPage()
        if after is not None:
            return
        if self._moved:
            log.info("moved the event ids of %d dead letters of an earlier version", self._moved)
            self._moved = 0
            return
        self.over = True
        threading.Thread(target=self._index, name="indexes of letters", daemon=True).start()

    def _index(self) -> None:
        try:
            with self._connect() as conn:
                for name in late_indexes.make(conn):
                    log.info("made the index etld.%s", name)
        except (DatabaseError, DatabaseProblem) as error:
            log.warning("dead letters are not indexed (the next start tries again): %s", one_line(error))
