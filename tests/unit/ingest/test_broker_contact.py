"""When a producer counts as away, with a clock of the test's own."""

from __future__ import annotations

from etld.ingest.broker_contact import PROBE_EVERY, STALL, BrokerContact

PATIENCE = 5.0


def proven(now: float = 0.0) -> BrokerContact:
    contact = BrokerContact(now, PATIENCE)
    contact.delivered(now)
    return contact


def test_silence_with_records_on_their_way_is_a_stall() -> None:
    contact = proven()
    contact.tick(STALL - 0.01, 1)
    assert not contact.away
    contact.tick(STALL + 0.01, 1)
    assert contact.away
    contact.delivered(2.0)
    assert not contact.away


def test_silence_with_nothing_on_its_way_is_none() -> None:
    contact = proven()
    contact.tick(50.0, 0)
    contact.tick(50.1, 1)
    assert not contact.away
    contact.tick(50.1 + STALL, 1)
    assert contact.away


def test_a_first_record_may_take_its_time() -> None:
    contact = BrokerContact(0.0, PATIENCE)
    assert not contact.answered
    contact.tick(PATIENCE - 0.1, 1)
    assert not contact.away
    contact.tick(PATIENCE + 0.1, 1)
    assert contact.away
    assert contact.answered


def test_it_is_asked_when_no_record_tells_and_at_once_when_away() -> None:
    contact = BrokerContact(0.0, PATIENCE)
    assert contact.due(0.0)
    assert not contact.due(PROBE_EVERY / 2)
    contact.delivered(PROBE_EVERY)
    assert not contact.due(PROBE_EVERY + 0.1)
    assert contact.due(2 * PROBE_EVERY)
    busy = proven(10.0)
    busy.tick(10.0 + STALL + 0.1, 1)
    assert busy.due(10.0 + STALL + 0.1)


def test_an_answer_older_than_the_last_delivery_says_nothing() -> None:
    contact = proven(5.0)
    contact.told(4.0, 6.0, "no answer")
    assert not contact.away
    contact.told(5.5, 7.0, "no answer")
    assert contact.away == "no answer"
    contact.told(7.5, 7.6, "")
    assert not contact.away


def test_a_cluster_that_answers_is_tried_again_and_may_stall_again() -> None:
    contact = proven()
    contact.tick(1.0, 1)
    contact.told(1.0, 1.2, "")
    assert not contact.away
    contact.tick(1.2 + STALL + 0.01, 1)
    assert contact.away
