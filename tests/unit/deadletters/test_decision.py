"""What becomes of a dead letter: repaired, retried, parked or resolved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etld.deadletters import decision, letter_headers
from etld.deadletters.arrival import read
from etld.deadletters.decode import DecodedLetter, decode
from etld.deadletters.failure import Failure
from etld.deadletters.letters import Attempt, Decision, LockedLetter, PendingLetter, Repair
from etld.deadletters.repository import as_json, clean
from etld.deadletters.rules.engine import CorrectionRule, compile_rules
from etld.deadletters.rules.hook import GuardedHook, HookRests
from etld.deadletters.rules.match import Match
from etld.errors import EtldError
from etld.schemas.tree import SchemaError
from support.fake_catalog import FakeTypes, event

ID = "00000000-0000-5000-8000-00000000000a"
EVENT_ID = event()["event_id"]
RULES = compile_rules(
    [
        {"name": "cast", "steps": [{"cast": "*"}]},
        {
            "name": "clamp",
            "match": {"sqlstate": "23514"},
            "steps": [{"clamp": {"field": "event_details.price", "max": 5.0}}],
        },
    ]
)


class Catalog(FakeTypes):
    """Fake types that also make a record of a valid event."""

    def repair(self, good: dict[str, Any]) -> Repair:
        return Repair("event_purchase", good["event_id"], json.dumps(good, sort_keys=True).encode())


def letter(**changes: Any) -> PendingLetter:
    given = {
        "id": ID,
        "event_id": EVENT_ID,
        "event_type": "purchase",
        "stage": "VALIDATION",
        "error_class": "InvalidEvent",
        "error": "wrong",
        "sqlstate": None,
        "topic": None,
        "value": b"",
        "attempts": 0,
        "base_attempts": 0,
        "replays": 0,
        "waits_for": None,
        "age": 0.0,
        **changes,
    }
    return PendingLetter(**given)


def decided(of: PendingLetter, found: Any, history: list[Attempt] | None = None, **more: Any) -> Decision:
    decoded = found if isinstance(found, DecodedLetter) else DecodedLetter(found)
    return decision.decide(of, decoded, history or [], RULES, Catalog(), **more)  # type: ignore[arg-type]


def test_a_repair_keeps_the_event_id() -> None:
    """State, audit and record agree."""
    got = decided(letter(), event(price="12.5"))
    assert (got.state, got.attempts, got.event_type) == ("repaired", 1, "purchase")
    assert got.repair is not None
    assert got.repair.key == EVENT_ID
    assert got.audit is not None
    assert (got.audit.rule, got.audit.outcome, got.audit.after) == ("cast", "repaired", event())


@pytest.mark.parametrize("own", [None, "not a uuid"])
def test_an_event_without_an_id_takes_its_letters(own: str | None) -> None:
    """Each retry makes the same event."""
    found = {key: value for key, value in event(price="12.5").items() if key != "event_id"}
    for broken in (found, {**found, "event_id": "nonsense"}, {**found, "event_id": 7}):
        got = decided(letter(event_id=own), broken)
        assert got.repair is not None
        assert got.repair.key == ID


def test_the_events_own_id_counts_most() -> None:
    """Whatever key a foreign producer gave the record."""
    got = decided(letter(event_id=ID), event(price="12.5"))
    assert got.repair is not None
    assert got.repair.key == EVENT_ID


def test_what_no_rule_repairs_is_parked_with_the_reason() -> None:
    """What is wrong, and what was tried."""
    got = decided(letter(), event(price="12,50"))
    assert got.state == "parked"
    assert got.reason == "no rule repairs it (tried cast): event_details.price: expected double"
    assert got.audit is not None
    assert got.audit.outcome == "parked"


def test_what_is_stored_already_is_resolved() -> None:
    """Nothing is sent."""
    got = decided(letter(), event(price="12.5"), stored=True)
    assert (got.state, got.repair) == ("resolved", None)
    assert got.audit is not None
    assert got.audit.outcome == "duplicate"


def test_what_is_valid_by_now_is_sent_as_it_is() -> None:
    """The configuration changed, or the registry learnt the schema; but not what the table refused."""
    assert decided(letter(), event()).reason == f"repaired by {decision.AS_IT_IS}"
    assert decided(letter(stage="VALUE_CONVERTER"), event()).state == "repaired"
    assert decided(letter(stage="TASK_PUT"), event()).state == "parked"
    assert decided(letter(stage="TASK_PUT", replays=1), event()).reason == f"repaired by {decision.AS_IT_IS}"


def test_a_replay_tries_rules_before_sending_what_was_refused_as_it_is() -> None:
    """The rule may be there because of that refusal."""
    refused = letter(stage="TASK_PUT", sqlstate="23514", replays=1)
    got = decided(refused, event(price=50.0))
    assert got.audit is not None
    assert (got.audit.rule, got.audit.after) == ("clamp", event(price=5.0))


RESPELT = compile_rules(
    [
        {"name": "parse_date", "steps": [{"parse_date": {"field": "triggered_at", "formats": ["year_first"]}}]},
        {"name": "clamp", "steps": [{"clamp": {"field": "event_details.price", "max": 5.0}}]},
    ]
)


@pytest.mark.parametrize("spelt", ["2026-11-24T10:00:00Z", "2026-11-24T10:00:00", "2026-11-24T11:00:00+01:00"])
def test_another_spelling_of_what_the_table_refused_is_no_repair(spelt: str) -> None:
    """Nothing that is stored would differ: the next rule is tried, and without one the letter is parked."""
    refused, broken = letter(stage="TASK_PUT", sqlstate="23514"), {**event(price=50.0), "triggered_at": spelt}
    got = decision.decide(refused, DecodedLetter(broken), [], RESPELT, Catalog())  # type: ignore[arg-type]
    assert got.audit is not None
    assert (got.audit.rule, got.audit.after) == ("clamp", {**event(price=5.0), "triggered_at": spelt})
    got = decision.decide(refused, DecodedLetter(broken), [], RESPELT[:1], Catalog())  # type: ignore[arg-type]
    assert (got.state, got.repair) == ("parked", None)
    assert "parse_date: its result is what failed already" in (got.reason or "")


def test_another_spelling_of_an_earlier_repair_is_no_repair() -> None:
    """It had been sent, and failed."""
    sent = {**event(), "triggered_at": "2026-11-24T10:00:00+00:00"}
    failed = Attempt(ID, 1, "cast", event(price="12.5"), sent, "check", "failed", "TASK_PUT", "CheckViolation", "23514")
    got = decision.decide(letter(attempts=1), DecodedLetter(event(price="12.5")), [failed], RESPELT[:1], Catalog())  # type: ignore[arg-type]
    assert got.state == "parked"


def test_an_unknown_schema_id_waits_then_parks() -> None:
    """The attempt is not counted while it waits."""
    unknown = DecodedLetter(None, "the schema id 7 is unknown to the registry", 7)
    first = decided(letter(age=1.0), unknown)
    assert (first.state, first.waits_for, first.attempts, first.audit) == ("new", 7, 0, None)
    assert first.wait is not None
    last = decided(letter(age=decision.PATIENCE), unknown)
    assert (last.state, last.waits_for) == ("parked", 7)


def test_a_letter_whose_rules_hook_rests_waits_for_it() -> None:
    """Other letters were what it hung on; a later rule does not take its place."""

    def hang(*_: Any) -> dict[str, Any] | None:
        raise HookRests("hang hung on the last 3 events", 7.5)

    waiting = CorrectionRule("hang", Match.parse({}), (), GuardedHook("hang", hang))
    found = decision.decide(letter(), DecodedLetter(event(price="12.5")), [], [waiting, *RULES], Catalog())  # type: ignore[arg-type]
    assert (found.state, found.wait, found.attempts, found.audit) == ("new", 7.5, 0, None)
    assert found.reason == "hang: hang hung on the last 3 events"
    repaired = decision.decide(letter(), DecodedLetter(event(price="12.5")), [], [*RULES, waiting], Catalog())  # type: ignore[arg-type]
    assert repaired.state == "repaired"


def test_the_next_attempt_starts_from_what_failed() -> None:
    """With the error that it met, and never with what was sent before."""
    failed = Attempt(
        ID, 1, "cast", event(price="12.5"), event(), "check", "failed", "TASK_PUT", "CheckViolation", "23514"
    )
    got = decided(letter(attempts=1), event(price="12.5"), [failed])
    assert got.audit is not None
    assert (got.audit.rule, got.audit.before, got.attempts) == ("clamp", event(), 2)
    assert got.audit.after == event(price=5.0)


def test_a_replay_forgets_earlier_attempts() -> None:
    """The rules may be others by now."""
    failed = Attempt(
        ID, 1, "cast", event(price="12.5"), event(), "check", "failed", "TASK_PUT", "CheckViolation", "23514"
    )
    got = decided(letter(attempts=1, base_attempts=1, replays=1), event(price="12.5"), [failed])
    assert got.audit is not None
    assert (got.audit.rule, got.audit.after) == ("cast", event())


def test_what_cannot_be_sent_is_parked() -> None:
    """Such as an event whose schema is not registered."""

    class Broken(Catalog):
        def repair(self, good: dict[str, Any]) -> Repair:
            raise EtldError("not registered")

    got = decision.decide(letter(), DecodedLetter(event(price="1.0")), [], RULES, Broken())  # type: ignore[arg-type]
    assert (got.state, got.reason) == ("parked", "not registered")


def locked(**changes: Any) -> LockedLetter:
    given = {
        "id": ID,
        "state": "resent",
        "attempts": 1,
        "base_attempts": 0,
        "reason": None,
        "stage": "VALIDATION",
        "error_class": "InvalidEvent",
        "error": "wrong",
        "sqlstate": None,
        "event_type": "purchase",
        **changes,
    }
    return LockedLetter(**given)


def back(message: str = "check") -> Failure:
    return Failure("TASK_PUT", "CheckViolation", message, "23514")


def attempt(number: int, **changes: Any) -> Attempt:
    return Attempt(ID, number, "cast", None, None, **{"error": None, "outcome": "repaired", **changes})


def test_a_repair_that_fails_in_another_way_is_tried_again() -> None:
    """Up to max_attempts."""
    assert decision.after_return(locked(), [attempt(1)], back(), 3)[0] == "new"
    state, reason = decision.after_return(locked(), [attempt(1)], back(), 1)
    assert state == "parked"
    assert "max_attempts" in (reason or "")


def test_a_repair_that_fails_the_same_way_is_parked() -> None:
    """As the letter did, or as an earlier attempt did; numbers and PostgreSQL's details do not count."""
    first = locked(stage="TASK_PUT", error_class="CheckViolation", sqlstate="23514", error="check DETAIL: row 7")
    assert decision.after_return(first, [attempt(1)], back("check DETAIL: row 8"), 9)[0] == "parked"
    failed = attempt(
        1, outcome="failed", stage="TASK_PUT", error_class="CheckViolation", sqlstate="23514", error="check 1"
    )
    assert decision.after_return(locked(attempts=2), [failed, attempt(2)], back("check 2"), 9)[0] == "parked"
    assert decision.after_return(locked(attempts=2), [failed, attempt(2)], back("another"), 9)[0] == "new"
    assert (
        decision.after_return(locked(attempts=2, base_attempts=1), [failed, attempt(2)], back("check 2"), 9)[0] == "new"
    )


def test_letters_are_read_from_headers_whatever_they_hold() -> None:
    """Ours, a foreign producer's, and nonsense."""
    pairs = letter_headers.headers(
        dead_letter_id=ID, stage="VALIDATION", error_class="InvalidEvent", message="wrong", event_id=EVENT_ID,
        attempt=2, repair_of=ID,
    )  # fmt: skip
    got = read("x", b"k", b"{}", letter_headers.as_text(pairs))
    assert (got.id, got.event_id, got.repair_of, got.attempt) == (ID, EVENT_ID, ID, 2)
    foreign = read(ID, EVENT_ID.encode(), b'{"event_type": "PURCHASE"}', {})
    assert (foreign.id, foreign.event_id, foreign.event_type, foreign.stage) == (ID, EVENT_ID, "PURCHASE", "UNKNOWN")
    odd = read(
        ID,
        b"\xff",
        b"\xff",
        {letter_headers.PARTITION: "-1", letter_headers.OFFSET: "9" * 30, letter_headers.REPAIR_OF: "?"},
    )
    assert (odd.partition, odd.offset, odd.repair_of, odd.event_id) == (None, None, None, None)


def no_schema(schema_id: int) -> Any:
    raise AssertionError("not asked for")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "tombstone"),
        (b"", "neither"),
        (b"\xff\xfe", "neither"),
        (b"[1]", "not an object"),
        (b"\0\0", "header"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "deeper than 200 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "neither"),
    ],
)
def test_undecodable_bytes_have_a_reason(value: bytes | None, words: str) -> None:
    """In words."""
    got = decode(value, no_schema)
    assert got.event is None
    assert words in (got.reason or "")


def test_a_schema_that_is_no_events_is_a_reason_and_nothing_to_wait_for() -> None:
    """Another subject's schema: no mistake of etld's, and no event will come of it."""

    def not_an_event(schema_id: int) -> Any:
        raise SchemaError("a string is no record")

    got = decode(b"\0\0\0\0\7abc", not_an_event)
    assert (got.event, got.waits_for) == (None, None)
    assert got.reason == "the schema 7 is no event's: a string is no record"


def test_json_that_is_as_deep_as_it_may_be() -> None:
    """Is an event to all that asks about it."""
    event = decode(b'{"a":' * 199 + b'["x"]' + b"}" * 199, no_schema).event
    assert event is not None
    assert as_json(event).count("a") == 199


def test_json_that_orjson_refuses_is_still_read() -> None:
    """Lone surrogates, NaN and long integers may be just what a rule repairs."""
    got = decode(b'{"a": "\\ud800", "b": NaN, "c": 123456789012345678901234567890}', no_schema)
    assert got.event is not None
    assert got.event["c"] == 123456789012345678901234567890
    assert as_json(got.event) == '{"a": "\\ud800", "b": "nan", "c": 123456789012345678901234567890}'


def test_text_is_made_storable() -> None:
    """What PostgreSQL refuses stays legible."""
    assert clean("a\0b\ud800") == "a\\0b\\ud800"
