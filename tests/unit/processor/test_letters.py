"""Dead letters in the log."""

from __future__ import annotations

import logging

import pytest

from etld.events import deadletter
from etld.processor.letters import tell
from etld.store.outbox import Letter


def test_a_batch_of_dead_records_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The first few, and the number of the others."""
    made = [
        deadletter.headers(
            dead_letter_id=str(n), stage="VALIDATION", error_class="X", message="m", topic="t", partition=0, offset=n
        )
        for n in range(10_000)
    ]
    with caplog.at_level(logging.WARNING):
        tell([Letter(str(n), None, None, deadletter.as_text(headers)) for n, headers in enumerate(made)])
    assert [vars(record).get("offset") for record in caplog.records] == [0, 1, 2, 3, 4, None]
    assert caplog.messages[-1] == "9995 more dead letters of this batch"
