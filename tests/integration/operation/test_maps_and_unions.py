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

TRANSFORM = """import polars as pl


def visit(frame: pl.DataFrame) -> pl.DataFrame:
    details = pl.col("event_details").struct
    broken = pl.col("user_details").struct.field("user_id") == 666
    attrs = pl.when(broken).then(pl.lit("no JSON")).otherwise(details.field("attrs"))
    return frame.with_columns(details.with_fields(attrs.alias("attrs")).alias("event_details"))
"""
CASES = Path(__file__).parents[2] / "support" / "cases"
VISITS = [json.loads(line) for line in (CASES / "visit.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """A daemon with visits, summed up by a field of the user."""
    made = make_daemon()
    shutil.copy(CASES / "visit.avsc", made.directory / "schemas" / "visit.avsc")
    (made.directory / "functions").mkdir(mode=0o755)
    (made.directory / "functions" / "of_visits.py").write_text(TRANSFORM)
    made.configure(
        {
            "python.path": ["./functions"],
            "event_types.visit": {"schema": "schemas/visit.avsc", "transform": "of_visits:visit"},
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


def test_a_letter_with_maps(etld: EtldClient) -> None:
    """`etld dlq show` and `test` give their values as they are, before and after a rule."""
    event_id, sent = str(uuid.uuid4()), VISITS[0]["event"]
    etld.track(sent | {"event_id": event_id, "user_details": {"user_id": "seven"}})
    letter = etld.letter(event_id, "parked")
    assert letter["event"]["event_details"] == sent["event_details"]
    rule = etld.daemon.directory / "seven.toml"
    steps = '{ set = { field = "user_details.user_id", value = 7 } }, { upper = "event_details.attrs.b" }'
    rule.write_text(f'name = "seven"\nmatch = {{ event_type = "visit" }}\nsteps = [{steps}]\n')
    told = etld.daemon.cli("dlq", "test", "--file", str(rule), "--id", event_id).stdout
    assert "repaired by seven" in told
    assert 'event_details.attrs.b: "é" -> "É"' in told
    assert '"b": "é"' in etld.daemon.cli("dlq", "show", event_id).stdout
    tried = json.loads(etld.daemon.cli("dlq", "test", "--file", str(rule), "--id", event_id, "--json").stdout)
    assert ["é", "É"] in [[json.loads(one["before"]), json.loads(one["after"])] for one in tried["changes"]]


def test_what_a_transform_gives_back_is_json(etld: EtldClient) -> None:
    """What is none is a dead letter that says so, its neighbours are stored, and the summary equals the table."""
    event_id, good = str(uuid.uuid4()), str(uuid.uuid4())
    etld.track(VISITS[0]["event"] | {"event_id": event_id, "user_details": {"user_id": 666}})
    etld.track(VISITS[0]["event"] | {"event_id": good})
    letter = etld.letter(event_id, "parked")
    assert letter["stage"] == "TRANSFORM"
    assert "event_details.attrs: expected JSON text, got 'no JSON'" in letter["error"]
    assert wait_until(lambda: _details(etld, good), 60, "its neighbour is stored") == VISITS[0]["want"]

    def agrees() -> bool:
        return etld.daemon.cli("reconcile", check=False).returncode == 0

    wait_until(agrees, 60, "reconcile is content")
