"""Actions on all letters that match: a row says what is left to do, a page of letters is one transaction.

Whoever asked for one may work on it; when nobody does, a corrector goes on. Letters that changed after it was asked
for are left alone, so that a page done twice changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from etld.deadletters import queries, repository
from etld.deadletters.letter_filter import LetterFilter
from etld.postgres import statements
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, classify, sqlstate
from etld.util.text import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "jobs")
_AT_ONCE = 500
_KEPT_DAYS = 90
_QUERY_CANCELED = "57014"
# Seconds.
_PUT_OFF = 30.0

JobState = Literal["running", "done", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class LetterJob:
    """A replay or a discard of many letters; `total` were chosen when it was asked for, `done` are changed so far."""

    id: int
    action: str
    chosen: LetterFilter
    reason: str | None
    asked_by: str
    state: JobState
    total: int
    done: int
    error: str | None
    asked_at: datetime
    ended_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on."""
        return {
            "id": self.id,
            "action": self.action,
            "filter": self.chosen.as_json(),
            "reason": self.reason,
            "asked_by": self.asked_by,
            "state": self.state,
            "total": self.total,
            "done": self.done,
            "error": self.error,
            "asked_at": self.asked_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
        }


def add(
    conn: Connection,
    action: str,
    chosen: LetterFilter,
    total: int,
    *,
    asked_by: str,
    reason: str | None,
    hold: float,
) -> LetterJob:
    """Ask for an action; for `hold` seconds from each of its pages on, whoever asked works on it, and nobody else."""
    # At the time of the database, before anything that is done for it.
    pinned = chosen.at(queries.now(conn))
    row = conn.execute(
        _SQL.add,
        {
            "action": action,
            "chosen": json.dumps(pinned.as_json()),
            "reason": None if reason is None else repository.clean(reason),
            "asked_by": repository.clean(asked_by),
            "total": total,
            "hold": hold,
        },
    ).fetchone()
    assert row is not None
    return _job(row)


def of_id(conn: Connection, job_id: int) -> LetterJob | None:
    """A job, None when there is none of this number."""
    row = conn.execute(_SQL.of_id, {"id": job_id}).fetchone()
    return None if row is None else _job(row)


def latest(conn: Connection, limit: int) -> list[LetterJob]:
    """The last that were asked for."""
    return [_job(row) for row in conn.execute(_SQL.latest, {"limit": limit})]


def work(conn: Connection, job_id: int, hold: float) -> bool:
    """Do one page of a job that is running; False when there was nothing left to do.

    What PostgreSQL refuses in the job itself ends it; other errors of the database go through, and it may go on.
    """
    try:
        with conn.transaction(), conn.cursor() as cur:
            row = cur.execute(_SQL.take, {"id": job_id}).fetchone()
            return row is not None and _page(cur, row, hold)
    except DatabaseError as error:
        if not _ends(error):
            raise
        finish(conn, job_id, "failed", one_line(error))
        return False


def work_on_one_left(conn: Connection) -> bool:
    """Do one page of a job on which nobody works; False when there is none, or none that can go on now."""
    job_id = None
    try:
        with conn.transaction(), conn.cursor() as cur:
            row = cur.execute(_SQL.take_left).fetchone()
            if row is None:
                return False
            job_id = row[0]
            _page(cur, row, 0.0)
            return True
    except DatabaseError as error:
        if job_id is None or not (_ends(error) or sqlstate(error) == LOCK_NOT_AVAILABLE):
            raise
        if _ends(error):
            finish(conn, job_id, "failed", one_line(error))
        else:  # somebody holds a letter: others are not to wait for that
            conn.execute(_SQL.put_off, {"id": job_id, "seconds": _PUT_OFF})
        return False


def _page(cur: Cursor, row: tuple[Any, ...], hold: float) -> bool:
    """Do a page of a job that is locked; False when there was none left, and the job is done."""
    job, after = _job(row[:-2]), queries.ActionPage((), *row[-2:])
    states = queries.REPLAYED if job.action == "replay" else queries.DISCARDED
    page = queries.next_of_action(cur, job.chosen, states, job.asked_at, after, _AT_ONCE)
    if not page.ids:
        cur.execute(_SQL.finish, {"id": job.id, "state": "done", "error": None})
        return False
    if job.action == "replay":
        changed = queries.replay(cur, page.ids, job.asked_at)
    else:
        changed = queries.discard(cur, page.ids, job.asked_at, job.reason or "")
    told = {"changed": changed, "after_at": page.at, "after_id": page.id, "hold": hold}
    cur.execute(_SQL.progress, {"id": job.id, **told})
    return True


def _ends(error: DatabaseError) -> bool:
    """Would the job fail so the next time too? A page for which there is not time enough has none then either."""
    return classify(error) != "retry" or sqlstate(error) == _QUERY_CANCELED


def finish(conn: Connection, job_id: int, state: JobState, error: str | None = None) -> None:
    """Do no more of a job; nothing if it has ended."""
    with conn.transaction(), conn.cursor() as cur:
        cur.execute(_SQL.finish, {"id": job_id, "state": state, "error": error})


def remove_old(conn: Connection) -> None:
    """Forget jobs that ended long ago; `etld.letter_job` keeps 90 days."""
    with conn.transaction(), conn.cursor() as cur:
        cur.execute(_SQL.remove_old, {"days": _KEPT_DAYS})


def _job(row: tuple[Any, ...]) -> LetterJob:
    return LetterJob(row[0], row[1], LetterFilter.from_json(row[2]), *row[3:])
