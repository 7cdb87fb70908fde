"""Dead letters in the log."""

from __future__ import annotations

import logging

import pytest

from etld.deadletters import letter_headers
from etld.deadletters.from_record import tell
from etld.deadletters.outbox import Letter


def test_a_batch_of_dead_records_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The first few, and the number of the others."""
    made = [
        letter_headers.headers(
            dead_letter_id=str(n), stage="VALIDATION", error_class="X", message="m", topic="t", partition=0, offset=n
        )
        for n in range(10_000)
    ]
    with caplog.at_level(logging.WARNING):
        tell([Letter(str(n), None, None, letter_headers.as_text(headers)) for n, headers in enumerate(made)])
    assert [vars(record).get("offset") for record in caplog.records] == [0, 1, 2, 3, 4, None]
    assert caplog.messages[-1] == "9995 more dead letters of this batch"
