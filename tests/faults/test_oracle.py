"""What the oracle takes for a loss or a wrong; it has to see what reconcile calls well."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from faults.ledger import Kind, Ledger
from faults.oracle import Verdict, judge

pytestmark = pytest.mark.integration

ROW = (
    "INSERT INTO processed_events (event_id, event_name, event_type, triggered_at, kafka_partition, kafka_offset)"
    " VALUES (%s, 'n', 'order', now(), 0, %s)"
)
LETTER = (
    "INSERT INTO etld.dead_letter (id, event_id, state, stage, error_class, error) VALUES (%s, %s, %s, 'S', 'C', 'e')"
)


class Case:
    """Events, and what the database says of them."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn
        self.ledger = Ledger()
        self.offset = 0

    def event(self, kind: Kind, *letters: str, stored: bool) -> str:
        """An acknowledged event, with letters in these states; the last letter's id."""
        event_id, letter = str(uuid.uuid4()), ""
        self.ledger.sending(event_id, kind, "order")
        self.ledger.answered(event_id, 200)
        for state in letters:
            letter = str(uuid.uuid4())
            self.conn.execute(LETTER, (letter, event_id, state))
        if stored:
            self.offset += 1
            self.conn.execute(ROW, (event_id, self.offset))
        return letter

    def judge(self) -> Verdict:
        """Of all of them."""
        return judge(self.conn, self.ledger, set(self.ledger.entries))


def test_what_the_oracle_says(database: str) -> None:
    """A good event never dies, be it repaired later; of several letters none is overlooked."""
    with connect(database, application_name="test") as conn:
        migrate(conn)
        case = Case(conn)
        case.event(Kind.GOOD, stored=True)
        case.event(Kind.REPAIRABLE, "resolved", stored=True)
        case.event(Kind.HOPELESS, "parked", stored=False)
        assert case.judge().problems == []

        for kind, letters, stored, expected in (
            (Kind.GOOD, (), False, "acknowledged, but neither stored nor a dead letter"),
            (Kind.GOOD, ("resolved",), True, "good, but a dead letter"),
            (Kind.REPAIRABLE, ("parked", "resolved"), True, "repairable, but parked"),
            (Kind.HOPELESS, ("resolved",), True, "beyond repair and acknowledged, but not parked"),
        ):
            case = Case(conn)
            conn.execute("TRUNCATE processed_events, etld.dead_letter CASCADE")
            case.event(kind, *letters, stored=stored)
            found = case.judge().problems
            assert any(expected in problem for problem in found), (expected, found)

        case = Case(conn)
        conn.execute("TRUNCATE processed_events, etld.dead_letter CASCADE")
        letter = case.event(Kind.REPAIRABLE, "resolved", stored=True)
        conn.execute(
            "INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, outcome, returned_as)"
            " VALUES (%s, 1, 'failed', %s)",
            (letter, str(uuid.uuid4())),
        )
        assert "dead again after the repair" in case.judge().problems[0]
