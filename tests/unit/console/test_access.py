"""Sessions, limits, and where requests come from."""

from __future__ import annotations

import pytest

from etld.console.access import origin
from etld.console.access.log_in_limit import SECONDS, TRIES, LogInLimit
from etld.console.access.sessions import Sessions
from etld.console.access.users import LOCAL


def test_a_session_ends_when_it_is_idle() -> None:
    sessions = Sessions(60.0)
    session = sessions.begin(LOCAL, 100.0)
    assert sessions.find(session.id, 159.0) is session
    assert sessions.find(session.id, 210.0, used=False) is session
    assert sessions.find(session.id, 220.0) is None
    assert sessions.find(session.id, 159.0) is None


def test_sessions_are_told_apart_by_secrets() -> None:
    sessions = Sessions(60.0)
    one, other = sessions.begin(LOCAL, 0.0), sessions.begin(LOCAL, 0.0)
    assert len({one.id, other.id, one.token, other.token}) == 4
    assert one.sent(one.token)
    assert not one.sent(other.token)
    assert not one.sent("")


def test_there_are_only_so_many_sessions() -> None:
    """Who asks again and again without a cookie pushes out what nobody uses, and no memory is lost."""
    sessions = Sessions(60.0)
    used, unused = sessions.begin(LOCAL, 0.0), sessions.begin(LOCAL, 0.0)
    for _ in range(999):
        sessions.find(used.id, 1.0)
        sessions.begin(LOCAL, 1.0)
    assert sessions.find(unused.id, 1.0) is None
    assert sessions.find(used.id, 1.0) is used


def test_tries_to_log_in_are_few() -> None:
    limit = LogInLimit(0.0)
    assert [limit.wait("10.0.0.1", 0.0) for _ in range(TRIES)] == [0.0] * TRIES
    assert limit.wait("10.0.0.1", 0.0) == pytest.approx(SECONDS)
    assert limit.wait("10.0.0.2", 0.0) == 0.0
    assert limit.wait("10.0.0.1", SECONDS) == 0.0
    many = [limit.wait(f"10.1.{n}.1", SECONDS) for n in range(100)]
    assert any(many), "one password guessed at from many addresses"


@pytest.mark.parametrize(
    ("host", "foreign"),
    [
        ("127.0.0.1:8090", False),
        ("localhost:8090", False),
        ("LOCALHOST", False),
        ("[::1]:8090", False),
        ("127.9.9.9", False),
        ("evil.example:8090", True),
        ("127.0.0.1.evil.example", True),
        ("localhost.evil.example", True),
        ("evil.example@127.0.0.1", False),  # the host of this is 127.0.0.1
        ("", True),
        ("[", True),
    ],
)
def test_hosts_that_are_of_this_machine(host: str, foreign: bool) -> None:
    assert origin.foreign_host({"Host": host}) is foreign


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({"Origin": "http://127.0.0.1:8090"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://["}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({}, False),
    ],
)
def test_senders_of_other_sites(headers: dict[str, str], foreign: bool) -> None:
    assert origin.foreign_sender({"Host": "127.0.0.1:8090", **headers}) is foreign
