"""What a person does with dead letters: look at them, count them, replay or discard them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etld.deadletters import repository
from etld.deadletters.letter_headers import SCHEMA
from etld.deadletters.letters import STATES, Attempt, PendingLetter
from etld.events import ids
from etld.explain import code_of_letter
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from etld.deadletters.letter_filter import LetterFilter
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "queries")
#: In which states a letter can be replayed or discarded.
REPLAYED, DISCARDED = ("parked", "discarded", "resent"), ("parked", "new")
_LOWEST, _HIGHEST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """One letter in a list."""

    id: str
    event_id: str | None
    event_type: str | None
    state: str
    stage: str
    error_class: str
    error: str
    sqlstate: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    attempts: int
    reason: str | None
    created_at: datetime
    updated_at: datetime

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on."""
        return {
            "id": self.id,
            "event_id": self.event_id,
            "event_type": self.event_type,
            "state": self.state,
            "stage": self.stage,
            "error": self.error,
            "error_class": self.error_class,
            "sqlstate": self.sqlstate,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "attempts": self.attempts,
            "reason": self.reason,
            "created_at": self.created_at.isoformat(),
            "explain": self.explain,
        }

    @property
    def explain(self) -> str:
        """The code of its error."""
        return code_of_letter(self.error_class, self.stage)


@dataclass(frozen=True, slots=True)
class FullLetter:
    """One letter with all that is known of it."""

    listed: ListedLetter
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    base_attempts: int
    replays: int
    waits_for: int | None
    asked_at: float | None
    history: list[Attempt] = field(default_factory=list)

    def pending(self) -> PendingLetter:
        """As the corrector takes it up."""
        row = self.listed
        return PendingLetter(
            row.id, row.event_id, row.event_type, row.stage, row.error_class, row.error, row.sqlstate, row.topic,
            self.value, row.attempts, self.base_attempts, self.replays, self.waits_for, float("inf"),
            self.asked_at, self.headers.get(SCHEMA), row.reason,
        )  # fmt: skip


def pages(
    conn: Connection, chosen: LetterFilter, limit: int | None, after: str | None, size: int = 500
) -> Iterator[ListedLetter]:
    """Letters, newest first, from the one after `after` on; at most `limit`."""
    left = limit
    while left is None or left > 0:
        step = size if left is None else min(size, left)
        rows = [
            ListedLetter(*row)
            for row in conn.execute(
                _SQL.page, {**chosen.parameters(), "all_states": list(STATES), "after": after, "limit": step}
            )
        ]
        yield from rows
        if len(rows) < step:
            return
        after = rows[-1].id
        left = None if left is None else left - len(rows)


def count(conn: Connection, chosen: LetterFilter) -> int:
    """How many letters a filter chooses."""
    row = conn.execute(_SQL.counted if chosen.by_counts else _SQL.count, chosen.parameters()).fetchone()
    return int(row[0]) if row else 0


def find(conn: Connection, name: str) -> list[FullLetter]:
    """The letters whose id is or begins with `name`, or whose event_id it is: none, one, or the first two."""
    found = []
    for row in conn.execute(_SQL.whole, _known_as(name)).fetchall():
        key, value = (None if part is None else bytes(part) for part in row[15:17])
        with conn.cursor() as cur:
            history = repository.attempts_of(cur, [row[0]]).get(row[0], [])
        headers, base, replays, schema_id, asked_at = row[17:]
        listed = ListedLetter(*row[:15])
        found.append(FullLetter(listed, key, value, headers, base, replays, schema_id, asked_at, history))
    return found


def _known_as(name: str) -> dict[str, str | None]:
    """Parameters that find letters by the beginning of their id or by the whole of an event_id."""
    name = name.lower()
    like_an_id = ids.is_canonical(name + _LOWEST[len(name) :])
    return {
        "name": name,
        "event_id": name if ids.is_canonical(name) else None,
        "first_id": name + _LOWEST[len(name) :] if like_an_id else None,
        "last_id": name + _HIGHEST[len(name) :] if like_an_id else None,
    }


def named(conn: Connection, name: str) -> list[tuple[str, str]]:
    """(id, state) of the letters that `find` would find, without their contents."""
    return conn.execute(_SQL.named, _known_as(name)).fetchall()


def states_of(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Id to state of those letters that are there."""
    return dict(conn.execute(_SQL.states_of, {"ids": list(ids)}).fetchall())


def pending(conn: Connection, ids: Sequence[str]) -> list[PendingLetter]:
    """Letters as the corrector takes them up, whatever their state."""
    with conn.cursor() as cur:
        return repository.of_ids(cur, ids)


def now(conn: Connection) -> datetime:
    """The database's time. What a bulk action changed is younger, so that a repetition leaves it alone."""
    row = conn.execute(_SQL.now).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


@dataclass(frozen=True, slots=True)
class ActionPage:
    """Letters for an action, none when there are no more; the next page begins after `at` and `id`."""

    ids: tuple[str, ...] = ()
    at: datetime | str = "-infinity"
    id: str = _LOWEST


def next_of_action(
    cur: Cursor, chosen: LetterFilter, states: Sequence[str], before: datetime, after: ActionPage, limit: int
) -> ActionPage:
    """The next letters that a filter chooses in some states, oldest first, but those that changed since `before`."""
    allowed = [state for state in states if chosen.states is None or state in chosen.states]
    rows = cur.execute(
        _SQL.next_of_action,
        {
            **chosen.parameters(),
            "allowed": allowed,
            "before": before,
            "after_at": after.at,
            "after_id": after.id,
            "limit": limit,
        },
    ).fetchall()
    return ActionPage(tuple(row[0] for row in rows), rows[-1][1], rows[-1][0]) if rows else ActionPage()


def replay(cur: Cursor, ids: Sequence[str], before: datetime) -> int:
    """Set letters back to new, with their attempts forgotten, unless they changed since `before`; how many."""
    return cur.execute(_SQL.replay, {"ids": list(ids), "allowed": list(REPLAYED), "before": before}).rowcount


def discard(cur: Cursor, ids: Sequence[str], before: datetime, reason: str) -> int:
    """Give letters up for good, unless they changed since `before`; how many."""
    given = {"ids": list(ids), "allowed": list(DISCARDED), "before": before, "reason": repository.clean(reason)}
    return cur.execute(_SQL.discard, given).rowcount


def by_state(conn: Connection, chosen: LetterFilter) -> dict[str, int]:
    """Numbers of the letters that a filter chooses, by state."""
    statement = _SQL.states_counted if chosen.by_counts else _SQL.states_looked_up
    return dict.fromkeys(STATES, 0) | dict(conn.execute(statement, chosen.parameters()).fetchall())


def by_day(conn: Connection, states: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Numbers of letters, or of those in some states, by day of arrival."""
    columns = ("day", "letters", "resolved", "parked", "discarded")
    chosen = {"states": None if states is None else list(states)}
    return [dict(zip(columns, (_day(row[0]), *row[1:]), strict=True)) for row in conn.execute(_SQL.by_day, chosen)]


def by_rule(conn: Connection, states: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """What became of the attempts of each rule, for all letters or those in some states."""
    columns = ("rule", "attempts", "stored", "failed", "under_way", "parked")
    chosen = {"states": None if states is None else list(states)}
    return [dict(zip(columns, row, strict=True)) for row in conn.execute(_SQL.by_rule, chosen)]


def outcomes_of_rules(conn: Connection, rules: Sequence[str]) -> dict[str, dict[str, int]]:
    """What became of the repairs of some rules, by an index, however many attempts there are."""
    rows = conn.execute(_SQL.outcomes_of_rules, {"rules": list(rules)})
    return {row[0]: dict(zip(("repaired", "failed", "under_way"), row[1:], strict=True)) for row in rows}


def _day(value: date) -> str:
    return value.isoformat()
