"""The service of dead letters on a real database: bulk actions by steps, trials, repairs by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from etld.deadletters import error_groups, jobs, queries
from etld.deadletters.by_hand import NotReplayed
from etld.deadletters.error_groups import ErrorGroups
from etld.deadletters.letter_filter import LetterFilter, letter_filter
from etld.deadletters.letters import Repair
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
    steps = service.work(service.begin(REPLAY, PARKED, "a test"), 30.0)
    assert next(steps).done == 500
    assert service.count(PARKED) == 600
    conn.execute("UPDATE etld.dead_letter SET state = 'parked', updated_at = clock_timestamp() WHERE state = 'new'")
    assert [(one.done, one.state) for one in steps] == [(1000, "running"), (1100, "running")]
    job = service.begin(DISCARD, LetterFilter(states=("parked", "new")), "a test", "why")
    assert [one.done for one in service.work(job, 30.0)] == [500, 1000, 1100]
    done = service.job(job.id)
    assert (done.state, done.total, done.asked_by, done.reason) == ("done", 1100, "a test", "why")
    assert state(conn, resolved) == "resolved"
    assert service.statistics()["states"] == {
        "new": 0, "repaired": 0, "resent": 0, "resolved": 1, "parked": 0, "discarded": 1100,
    }  # fmt: skip


def test_a_job_goes_on_where_it_was_left(conn: Connection, service: DeadLetterService) -> None:
    """By whoever looks for one, once the one who asked for it is not heard of; cancelled or impossible it ends."""
    for _ in range(700):
        add(conn)
    job = service.begin(REPLAY, PARKED, "a person", hold=30.0)
    assert next(service.work(job, 30.0)).done == 500
    assert not jobs.work_on_one_left(conn)
    conn.execute("UPDATE etld.letter_job SET held_until = now() - interval '1 s'")
    conn.execute("UPDATE etld.dead_letter SET state = 'parked', updated_at = clock_timestamp() WHERE state = 'new'")
    assert [jobs.work_on_one_left(conn) for _ in range(3)] == [True, True, False]
    assert (service.job(job.id).done, service.job(job.id).state) == (700, "done")
    cancelled = service.begin(DISCARD, PARKED, "a person", "why")
    assert jobs.work_on_one_left(conn)
    assert service.cancel(cancelled.id).done == 500
    assert not jobs.work_on_one_left(conn)
    assert service.cancel(job.id).state == "done"
    wrong = service.begin(DISCARD, PARKED, "a person", "why")
    conn.execute('UPDATE etld.letter_job SET chosen = chosen || \'{"error": "["}\' WHERE id = %s', (wrong.id,))
    assert not jobs.work_on_one_left(conn)
    assert service.job(wrong.id).state == "failed"
    assert "invalid regular expression" in (service.job(wrong.id).error or "")
    with pytest.raises(EtldError, match="there is no job 12345"):
        service.job(12345)


def test_groups_are_counted_as_letters_change(conn: Connection, service: DeadLetterService) -> None:
    """The same by the counts as by the letters, whatever happens to these; and rows added up are the same rows."""
    for _ in range(3):
        add(conn)
    # Two in hours of one day that is long ago, which are counted by the day.
    ages = ["now()", "now() - interval '2 days'"]
    ages += [f"date_trunc('day', now()) - interval '30 days' + interval '{hour} hours'" for hour in (1, 2)]
    for number, came in enumerate(ages):
        conn.execute(
            "INSERT INTO etld.dead_letter (id, event_type, state, stage, error_class, error, sqlstate, created_at)"
            f" VALUES (gen_random_uuid(), NULL, 'new', 'TASK_PUT', 'CheckViolation', %s, '23514', {came})",
            (f"new row {number} is wrong DETAIL: secret",),
        )
    letter = add(conn)
    conn.execute("UPDATE etld.dead_letter SET state = 'resolved', event_type = 'order' WHERE stage = 'TASK_PUT'")
    conn.execute("UPDATE etld.dead_letter SET announced = true")
    conn.execute("DELETE FROM etld.dead_letter WHERE id = %s", (letter,))
    everything = LetterFilter(since="2000-01-01")  # which is looked up
    counted = service.groups(LetterFilter())
    assert counted == service.groups(everything)
    with conn.transaction(), conn.cursor() as cur:
        error_groups.add_counts_up(cur)
    assert service.groups(LetterFilter()) == counted
    for stages, number in ((("TASK_PUT",), 4), (("TASK_PUT", "VALIDATION"), 7), (("none",), 0)):
        assert service.count(LetterFilter(stages=stages)) == service.count(replace(everything, stages=stages)) == number
    assert conn.execute("SELECT count(*), sum(letters) FROM etld.dead_letter_count").fetchall() == [(4, 7)]
    first, second = sorted(counted.groups, key=lambda one: one.stage)
    assert (first.event_type, first.error, first.sqlstate, first.resolved) == (
        "order",
        "new row # is wrong",
        "23514",
        4,
    )
    assert (second.event_type, second.parked, sum(second.spark), counted.total) == ("purchase", 3, 3, 2)
    assert 29.9 < (first.last_seen - first.first_seen).total_seconds() / 86_400 < 31
    assert [first.spark[0], first.spark[-1], sum(first.spark)] == [2, 1, 4]
    one = LetterFilter(group=first.group)
    assert service.count(one) == len(list(service.listed(one))) == 4
    assert service.groups(replace(one, types=("purchase",))).groups == ()
    conn.execute("TRUNCATE etld.dead_letter CASCADE")
    assert service.groups(LetterFilter()) == ErrorGroups((), 0)


def test_each_filter_chooses(conn: Connection, service: DeadLetterService) -> None:
    """By every field, and paged in one order over all states."""
    ids = [add(conn, where, price=f"much {number}") for number, where in enumerate(("parked", "new", "resolved"))]
    conn.execute(
        "INSERT INTO etld.dead_letter_attempt (dead_letter_id, attempt, before, outcome)"
        " SELECT id, 1, convert_from(value, 'UTF8')::json, 'parked' FROM etld.dead_letter"
    )
    conn.execute("UPDATE etld.dead_letter SET event_id = NULL, event_id_text = 'order 7' WHERE id = %s", (ids[2],))

    def found(**chosen: Any) -> set[str]:
        return {row.id for row in service.listed(letter_filter(**chosen))}

    (row,) = service.listed(LetterFilter(ids=(ids[0],)))
    assert row.event_id is not None
    assert found(event_id=row.event_id.upper()) == {ids[0]}
    assert found(event_id="order 7") == {ids[2]}
    assert found(text="much 1") == {ids[1]}
    assert found(text="' OR true --") == set()
    assert found(user="7") == set(ids)
    assert found(user="8") == set()
    assert found(stages=["VALIDATION"], types=["purchase"]) == set(ids)
    assert found(stages=["TRANSFORM"]) == found(types=["?"]) == set()
    assert found(newer_than="1 h") == found(since="2026-01-01T00:00Z") == set(ids)
    assert found(older_than="1 h") == found(until="2020-01-01") == set()
    pages = list(queries.pages(conn, LetterFilter(), None, None, size=1))
    assert [one.id for one in pages] == ids[::-1]


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
