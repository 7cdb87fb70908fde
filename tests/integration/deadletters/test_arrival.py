"""Letters that come back for a repair, into a database that may have lost what it knew of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from etld.deadletters import arrival, letter_headers
from etld.deadletters.letters import ArrivedLetter
from etld.kafka.types import Partition
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.sinks.postgres.unwrap import PostgresTransaction

pytestmark = pytest.mark.integration

QUEUE = Partition("dead_letter_queue", 0)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database of this version."""
    with connect(database, application_name="test") as made:
        migrate(made)
        yield made


def letter(**headers: str) -> ArrivedLetter:
    """One of a record of its own."""
    named = {getattr(letter_headers, name): text for name, text in headers.items()}
    return arrival.read(str(uuid.uuid4()), None, b"{}", {letter_headers.STAGE: "TASK_PUT", **named})


def keep(conn: Connection, *letters: ArrivedLetter) -> int:
    """As the corrector does; how many were known."""
    with conn.transaction(), conn.cursor() as cur:
        known = arrival.keep(
            PostgresTransaction(cur), [(QUEUE, one) for one in letters], one_by_one=False, max_attempts=3, window=1000
        )
    return known.get(QUEUE, 0)


def states(conn: Connection) -> dict[str, str]:
    """State of each letter."""
    return dict(conn.execute("SELECT id::text, state FROM etld.dead_letter").fetchall())


def test_a_return_whose_attempt_is_not_known_is_kept_for_itself(conn: Connection) -> None:
    """A failover to a standby that was behind lost the attempt; the record is dead all the same, and told once."""
    first = letter()
    assert keep(conn, first) == 0
    back = letter(REPAIR_OF=first.id, ATTEMPT="1")
    assert keep(conn, back) == 0
    assert keep(conn, back) == 1
    assert states(conn) == {first.id: "new", back.id: "new"}


def test_a_repair_that_went_out_twice_comes_back_twice(conn: Connection) -> None:
    """Two dead records, each of which has its letter; who comes again is known."""
    first = letter()
    keep(conn, first)
    conn.execute("UPDATE etld.dead_letter SET state = 'resent', attempts = 1")
    conn.execute(
        "INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, outcome) VALUES (%s, 1, 'repaired')",
        (first.id,),
    )
    one, other = (letter(REPAIR_OF=first.id, ATTEMPT="1") for _ in range(2))
    assert keep(conn, one) == 0
    assert states(conn)[first.id] in ("new", "parked")
    assert keep(conn, other) == 0
    assert keep(conn, one, other) == 2
    assert set(states(conn)) == {first.id, other.id}
