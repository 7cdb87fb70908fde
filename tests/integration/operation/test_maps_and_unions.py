"""Maps and unions of several types from HTTP to the table: objects, text and numbers as they are."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[2] / "support" / "cases"
VISITS = [json.loads(line) for line in (CASES / "visit.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """A daemon with visits, summed up by a field of the user."""
    made = make_daemon()
    shutil.copy(CASES / "visit.avsc", made.directory / "schemas" / "visit.avsc")
    made.configure(
        {
            "event_types.visit": {"schema": "schemas/visit.avsc"},
            "summaries.visits": {
                "event_types": ["visit"],
                "bucket": "1 d",
                "measures": {"visits": "count", "users": {"sum": "user_details.user_id"}},
            },
        }
    )
    with made.running():
        yield EtldClient(made)


def _details(etld: EtldClient, event_id: str) -> Any:
    rows = etld.sql("SELECT event_details FROM processed_events WHERE event_id = %s", event_id)
    return rows[0][0] if rows else None


def test_the_cases(etld: EtldClient) -> None:
    """What `want` says, in rows, in `etld trace` and in a summary."""
    ids = [str(uuid.uuid4()) for _ in VISITS]
    for event_id, one in zip(ids, VISITS, strict=True):
        etld.track(one["event"] | {"event_id": event_id})
    for event_id, one in zip(ids, VISITS, strict=True):
        assert wait_until(lambda event_id=event_id: _details(etld, event_id), 60, "it is stored") == one["want"]
    assert etld.daemon.json("trace", ids[0])["stored"]["event_details"] == VISITS[0]["want"]

    def summed() -> bool:
        return etld.sql("SELECT sum(visits), sum(users) FROM etld.summary_visits") == [(3, 6)]

    wait_until(summed, 60, "it is summed up")


def test_a_repaired_one(etld: EtldClient) -> None:
    """What the corrector sends back has the same values."""
    event_id, sent = str(uuid.uuid4()), VISITS[1]["event"]
    etld.track(sent | {"event_id": event_id, "triggered_at": "2026/01/02 03:04:05"})
    assert wait_until(lambda: _details(etld, event_id), 60, "it is repaired and stored") == VISITS[1]["want"]


def test_many_at_once(etld: EtldClient) -> None:
    """More than are read one by one; integers beyond what a double holds."""
    sent = [VISITS[n % 3]["event"] | {"event_id": str(uuid.uuid4())} for n in range(300)]
    large = {"n": 2**63 - 1, "m": None}
    etld.send([one | {"event_details": one["event_details"] | {"counts": large}} for one in sent])
    for n, one in enumerate(sent):
        details = wait_until(lambda one=one: _details(etld, one["event_id"]), 60, "it is stored")
        assert details == VISITS[n % 3]["want"] | {"counts": large}
