"""The service of dead letters on a real database: bulk actions by steps, trials, repairs by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from etld.deadletters.by_hand import NotReplayed
from etld.deadletters.letters import Repair
from etld.deadletters.queries import LetterFilter
from etld.deadletters.repairer import Repairer
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.service import DISCARD, REPLAY, DeadLetterService
from etld.errors import EtldError
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from support.fake_catalog import FakeTypes, event

LETTER = (
    "INSERT INTO etld.dead_letter (id, event_id, event_type, state, stage, error_class, error, value)"
    " VALUES (%s, %s, 'purchase', %s, 'VALIDATION', 'InvalidEvent', 'broken', %s)"
)
PARKED = LetterFilter(states=("parked",))


class Types(FakeTypes):
    """Fake types that also make a record of a valid event."""

    def at(self, moment: float | None) -> Types:
        return self

    def repair(self, good: dict[str, Any]) -> Repair:
        return Repair("event_purchase", good["event_id"], json.dumps(good).encode())


def no_schema(number: int) -> Any:
    raise LookupError(number)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database of this version."""
    with connect(database, application_name="test") as made:
        migrate(made)
        yield made


@pytest.fixture
def service(conn: Connection) -> DeadLetterService:
    """With a rule that casts."""
    rules = compile_rules([{"name": "cast", "steps": [{"cast": "*"}]}])
    return DeadLetterService(conn, Repairer(rules, Types(), no_schema))  # type: ignore[arg-type]


def add(conn: Connection, state: str = "parked", **details: Any) -> str:
    """A letter; its id."""
    letter, one = str(uuid.uuid4()), {**event(**details), "event_id": str(uuid.uuid4())}
    conn.execute(LETTER, (letter, one["event_id"], state, json.dumps(one).encode()))
    return letter


def state(conn: Connection, letter: str) -> Any:
    """Where it stands."""
    return conn.execute("SELECT state FROM etld.dead_letter WHERE id = %s", (letter,)).fetchall()[0][0]


def test_bulk_actions_go_by_steps_and_come_to_an_end(conn: Connection, service: DeadLetterService) -> None:
    """Each step is done when it is told; a letter that is parked again meanwhile is not taken twice."""
    for _ in range(1100):
        add(conn)
    resolved = add(conn, "resolved")
    assert service.count(PARKED) == 1100
    steps = service.replay(PARKED)
    assert next(steps) == 500
    assert service.count(PARKED) == 600
    conn.execute("UPDATE etld.dead_letter SET state = 'parked', updated_at = clock_timestamp() WHERE state = 'new'")
    assert list(steps) == [500, 100]
    assert list(service.discard(LetterFilter(states=("parked", "new")), "a test")) == [500, 500, 100]
    assert state(conn, resolved) == "resolved"
    assert service.statistics()["states"] == {
        "new": 0, "repaired": 0, "resent": 0, "resolved": 1, "parked": 0, "discarded": 1100,
    }  # fmt: skip


def test_named_letters_have_to_be_there_and_in_a_state_for_it(conn: Connection, service: DeadLetterService) -> None:
    """One for each name."""
    parked, resolved = add(conn), add(conn, "resolved")
    wanted = LetterFilter(states=REPLAY.states)
    assert service.identified(wanted, (parked[:18], parked), REPLAY).ids == (parked, parked)
    with pytest.raises(EtldError, match=f"{resolved} is resolved; only parked, new can be discarded"):
        service.identified(LetterFilter(states=DISCARD.states), (resolved,), DISCARD)
    with pytest.raises(EtldError, match="there is no dead letter"):
        service.identified(wanted, (str(uuid.uuid4()),), REPLAY)


def test_a_trial_changes_nothing(conn: Connection, service: DeadLetterService) -> None:
    """And tells of each letter, newest first, up to a limit."""
    broken, good = add(conn, price="much"), add(conn, price="2.5")
    before = conn.execute("SELECT * FROM etld.dead_letter ORDER BY id").fetchall()
    assert [(one.letter.id, one.outcome) for one in service.test(PARKED)] == [(good, "repaired"), (broken, "broken")]
    assert [one.letter.id for one in service.test(PARKED, 1)] == [good]
    assert conn.execute("SELECT * FROM etld.dead_letter ORDER BY id").fetchall() == before
    report = service.show(good[:20])
    assert [(one.rule, one.result) for one in report.rules] == [("cast", "valid")]
    assert report.as_json()["event"]["event_details"]["price"] == "2.5"


def test_a_repair_by_hand_is_on_record(conn: Connection, service: DeadLetterService) -> None:
    """Not when it is not valid, nor when the letter is no longer there for it."""
    letter = add(conn, price="much")
    draft = service.draft(letter)
    with pytest.raises(NotReplayed, match=r"event_details\.price"):
        service.replay_by_hand(draft, draft.event)
    edited = service.with_fields(draft, [(("event_details", "price"), 2.5)])
    service.replay_by_hand(draft, edited)
    ((attempt, changed),) = service.show(letter).attempts
    assert (state(conn, letter), attempt.rule, attempt.outcome) == ("repaired", "(by hand)", "repaired")
    assert [(one.path, one.before, one.after) for one in changed] == [("event_details.price", '"much"', "2.5")]
    with pytest.raises(NotReplayed, match="its state is now repaired"):
        service.replay_by_hand(draft, edited)
    with pytest.raises(NotReplayed, match="deleted meanwhile"):
        service.draft(str(uuid.uuid4()))
