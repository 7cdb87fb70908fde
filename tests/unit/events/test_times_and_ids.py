"""Times as clients write them; ids that are the same for the same thing."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.deadletters import letter_headers
from etld.events import ids
from etld.events.limits import TIME_MAX, TIME_MIN
from etld.events.times import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:00.000001+00:00", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00", -3_600_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("2017-01-01T00:59:60", 1_483_228_800_000_000),
        ("2017-01-01T05:29:60.5+05:30", 1_483_228_800_500_000),
        ("1970-01-01T05:00:00,5+05", 500_000),
        ("0001-01-01T00:00:00Z", TIME_MIN),
        ("9999-12-31T23:59:59.999999Z", TIME_MAX),
        (1, 1_000_000),
        (1.5, 1_500_000),
        (-1, -1_000_000),
    ],
)
def test_times(text: Any, micros: int) -> None:
    """RFC 3339, ISO without a zone (here Berlin's winter), epoch seconds, a leap second."""
    assert parse_time(text, "Europe/Berlin") == micros


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "now",
        "2025-01-31",
        "20250131T120000",
        "2025-02-30T00:00:00Z",
        "2025-W01-1T00:00:00",
        "31/01/2025 12:00:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        1.7e18,
        1e308,
        -1e308,
        10**30,
        True,
        None,
        [],
        float("nan"),
        "2025-01-31T12:00Z",
        "2025-01-31T12:00+05:30",
        "2025-01-31T12:00:60Z",
        "2025-01-31T23:58:60Z",
        "2025-01-31T23:59:60+01:00",
        "2025-01-31T12:00:00+05:30:15",
        "2025-01-31T12:00:00Z\n",
        "1738324800",
    ],
)
def test_no_times(bad: Any) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError, match="a time as RFC 3339"):
        parse_time(bad)


@given(st.integers(TIME_MIN, TIME_MAX))
def test_format_and_parse_are_inverse(micros: int) -> None:
    """What etld writes it reads."""
    assert parse_time(format_time(micros)) == micros


def test_new_ids_are_uuid7_in_order() -> None:
    """Sorted by the time they were made."""
    made = [ids.new_event_id() for _ in range(1000)]
    assert len(set(made)) == len(made)
    began = time.time_ns() // 1_000_000
    later = ids.new_event_id()
    assert began <= uuid.UUID(later).int >> 80 <= time.time_ns() // 1_000_000
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in made)
    assert all(ids.is_canonical(one) for one in made)


def test_processes_make_no_id_twice() -> None:
    """A fork inherits none of the random bits that its parent took in advance."""
    made = subprocess.run([sys.executable, "-c", _FORKS], check=True, capture_output=True, text=True).stdout.split()
    tails = [one[14:] for one in made]
    assert len(made) == 30
    assert len(set(tails)) == len(tails)


_FORKS = """
import os
from etld.events.ids import new_event_id
lines = [new_event_id() for _ in range(10)]
for _ in range(2):
    if os.fork() == 0:
        print("\\n".join(new_event_id() for _ in range(10)), flush=True)
        os._exit(0)
    os.wait()
print("\\n".join(new_event_id() for _ in range(10)))
"""


def test_derived_ids_are_stable() -> None:
    """A retry is the same event, also after an upgrade: these values may never change."""
    assert ids.derived("messageId", "m-1", 0) == ids.derived("messageId", "m-1", 0)
    assert ids.derived("messageId", "m-1", 0) != ids.derived("messageId", "m-1", 1)
    assert ids.derived("messageId", "m-1", 0) != ids.derived("Idempotency-Key", "m-1", 0)
    assert ids.derived("messageId", "m-1", 0) == str(
        uuid.uuid5(uuid.UUID("6f1d4c9e-5a63-5b0e-9c55-0f6f0b8f2d11"), "messageId\x1fm-1\x1f0")
    )
    assert ids.dead_letter_id("c", "t", 0, 1) != ids.dead_letter_id("c", "t", 1, 0)


def test_dead_letter_headers_carry_on() -> None:
    """A repair that fails again keeps its lineage."""
    made = letter_headers.headers(
        dead_letter_id="d", stage="TASK_PUT", error_class="E", message="bad\0 text " * 500, topic="t", partition=0,
        offset=0, attempt="2", repair_of="r",
    )  # fmt: skip
    text = letter_headers.as_text(made)
    assert text["__connect.errors.offset"] == "0"
    assert len(text["__connect.errors.exception.message"]) == letter_headers.MAX_MESSAGE
    assert "\0" not in text["__connect.errors.exception.message"]
    assert letter_headers.carried(made) == {"attempt": "2", "repair_of": "r"}


ID = "6f1d4c9e-5a63-4b0e-9c55-0f6f0b8f2d11"


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"eventId": ID.upper()}, ID),
        ({"evnt_id": ID}, ID),
        ({"data": {"event_id": ID, "event_name": "x"}}, ID),
        ({"event_ID": ID, "data": {"event_id": ID}}, ID),
        ({"eventId": ID, "data": {"event_id": ID.replace("6", "7")}}, None),
        ({"session_id": ID, "user_id": ID, "id": ID}, None),
        ({"eventId": "7", "event_name": ID}, None),
        ({"data": {"more": {"event_id": ID}}}, None),
    ],
)
def test_a_misplaced_id_is_found(event: dict[str, Any], wanted: str | None) -> None:
    """Under another spelling or in an envelope, when there is but one."""
    assert ids.misplaced(event) == wanted
