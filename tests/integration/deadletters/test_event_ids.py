"""Letters of a version that kept event ids as text: found at any time, and moved beside the work."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from etld.corrector.event_id_move import EventIdMove
from etld.deadletters import event_ids, queries, repository
from etld.deadletters.letters import ArrivedLetter
from etld.postgres import migrate
from etld.postgres.connections import Connection, connect
from etld.reconcile import trace
from support.waiting import wait_until

BEFORE = 8
LETTER = (
    "INSERT INTO etld.dead_letter (id, event_id, state, stage, error_class, error)"
    " VALUES (%s, %s, 'parked', 'S', 'C', 'e')"
)
FOREIGN = "order 66"


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database as the version before left it."""
    with connect(database, application_name="test") as made:
        made.execute("CREATE SCHEMA etld")
        made.execute("CREATE TABLE etld.migration (number integer PRIMARY KEY, name text, applied_at timestamptz)")
        for number, name, text in migrate.available():
            if number <= BEFORE:
                made.execute(text.encode())
                made.execute("INSERT INTO etld.migration (number, name) VALUES (%s, %s)", (number, name))
        yield made


def rows(conn: Connection) -> list[tuple[Any, ...]]:
    """What is kept of each event's id."""
    return conn.execute("SELECT event_id::text, event_id_text FROM etld.dead_letter ORDER BY 1, 2").fetchall()


def indexed(conn: Connection) -> bool:
    """Is every index of letters there, and valid?"""
    names = "dead_letter_event", "dead_letter_error_group", "dead_letter_attempt_user", "dead_letter_attempt_rule"
    found = conn.execute(
        "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisvalid AND relname = ANY(%s)",
        (list(names),),
    )
    return found.fetchone() == (4,)


def moved(conn: Connection, page: int) -> int:
    """Move all in pages of some size; how many were moved."""
    after: event_ids.IdPage | None = event_ids.IdPage()
    total = 0
    while after is not None:
        with conn.transaction(), conn.cursor() as cur:
            after, count = event_ids.move(cur, after, page)
        total += count
    return total


def test_old_letters_are_found_before_and_after_the_move(conn: Connection) -> None:
    """By id, its beginning and event_id, several letters of an event too; what is no UUID stays a text."""
    events = sorted(str(uuid.uuid4()) for _ in range(20))
    letters = [str(uuid.uuid4()) for _ in range(60)]
    for at, letter in enumerate(letters):
        conn.execute(LETTER, (letter, events[at % 20]))
    foreign, none = str(uuid.uuid4()), str(uuid.uuid4())
    conn.execute(LETTER, (foreign, FOREIGN))
    conn.execute(LETTER, (none, None))
    assert migrate.migrate(conn)[0] == "0009_letter_names.sql"
    for page in (7, 1000):
        for at, letter in enumerate(letters):
            assert [(found, state) for found, state in queries.named(conn, letter[:20])] == [(letter, "parked")]
            assert queries.find(conn, letter)[0].listed.event_id == events[at % 20]
        assert len(queries.named(conn, events[3])) == 2
        assert len(trace._letters(conn, events[3])) == 3
        assert [letter["id"] for letter in trace._letters(conn, letters[3])] == [letters[3]]
        assert [found for found, _ in queries.named(conn, FOREIGN)] == [foreign]
        assert queries.find(conn, none)[0].listed.event_id is None
        assert moved(conn, page) == (60 if page == 7 else 0)
    assert rows(conn) == [*((event, None) for event in events for _ in range(3)), (None, FOREIGN), (None, None)]


def test_new_letters_have_their_id_where_it_belongs(conn: Connection) -> None:
    """A UUID in either case, another id, none; an id that is none stays when the letter is repaired."""
    migrate.migrate(conn)
    known = str(uuid.uuid4())
    given = [known, known.upper(), FOREIGN, None, "no\0 \ud800 text"]
    letters = [
        ArrivedLetter(str(uuid.uuid4()), one, None, "S", "C", "e", None, None, None, None, None, None, {})
        for one in given
    ]
    with conn.transaction(), conn.cursor() as cur:
        assert repository.add(cur, letters) == len(given)
        assert repository.add(cur, letters) == 0
    assert rows(conn) == [(known, None), (known, None), (None, "no\\0 \\ud800 text"), (None, FOREIGN), (None, None)]


def test_the_move_ends_with_an_index(conn: Connection, database: str) -> None:
    """Also where one was broken off; and where all is moved there is nothing to do."""
    for number in range(2500):
        conn.execute(LETTER, (str(uuid.uuid4()), str(uuid.UUID(int=number)) if number % 5 else f"text {number}"))
    migrate.migrate(conn)
    assert not indexed(conn)
    conn.execute("CREATE INDEX dead_letter_event ON etld.dead_letter (event_id)")
    conn.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'etld.dead_letter_event'::regclass")
    move = EventIdMove(lambda: connect(database, application_name="test index"))
    steps = 0
    while not move.over:
        move.step(conn)
        steps += 1
    assert steps == 3 + 1
    assert conn.execute("SELECT count(event_id), count(event_id_text) FROM etld.dead_letter").fetchone() == (2000, 500)
    wait_until(lambda: indexed(conn), 20, "the index is made")
    again = EventIdMove(lambda: connect(database, application_name="test index"))
    again.step(conn)
    assert again.over


def test_a_new_database_has_the_index_at_once(database: str) -> None:
    """There is nothing to wait for."""
    with connect(database, application_name="test") as conn:
        migrate.migrate(conn)
        assert indexed(conn)
