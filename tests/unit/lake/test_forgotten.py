"""Rows of the lake of forgotten subjects: found by what was hashed of the records that they were made of."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etld.erasure import key as keys
from etld.erasure.arrival import Erasures
from etld.erasure.records import place
from etld.lake.forgotten import ForgottenRows
from etld.sinks.base import Fenced
from etld.sinks.iceberg import forgetting, positions
from etld.sinks.iceberg.rows import joined
from etld.sinks.iceberg.table import columns_of
from etld.sinks.iceberg.upkeep import Settings, Upkeep
from support.lake import WHEN, Feed, LocalLake, frame, new_ids

LATER = int(WHEN.timestamp() * 1000) + 1000


class Recorded:
    """Erasures as PostgreSQL has them, without one."""

    def __init__(self, key_file: Path) -> None:
        self._key = keys.make(key_file)
        self._rows: list[tuple[Any, ...]] = []

    def forget(
        self, until: int = LATER, state: str = "done", behind: dict[str, int] | None = None, **subject: str
    ) -> None:
        """A subject, by the values of fields; `__` stands for a dot."""
        fields = [name.replace("__", ".") for name in subject]
        hashed = self._key.hashed(fields, list(subject.values()))
        self._rows.append((1, 1, fields, hashed, self._key.fingerprint, state, until, behind or {}))

    def execute(self, _statement: object) -> Recorded:
        """What a connection gives."""
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path)


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path / "erasure.key")


def erase(lake: LocalLake, recorded: Recorded) -> int:
    """Carry out what is on record."""
    erasures = Erasures(lake.folder / "erasure.key")
    erasures.load(recorded)  # type: ignore[arg-type]
    table = lake.table.load()
    rows = ForgottenRows(erasures, columns_of(table), positions.topic_ids(table))
    return Upkeep(lake.table.again(), Settings(1 << 20, 3600.0)).rewrite(rows.kept, erasures.latest * 1000)


def names(lake: LocalLake) -> list[str]:
    """The items that are there."""
    return [name for (name,) in lake.ask("SELECT item_name FROM lake ORDER BY kafka_offset")]


def test_a_subject_is_found_by_a_field_of_any_type(lake: LocalLake, recorded: Recorded) -> None:
    """A number, text, and the id of an event; the others stay."""
    feed = Feed(lake.sink())
    ids = [str(uuid.uuid4()) for _ in range(4)]
    for one, (item, name) in zip(ids, [(1, "a"), (2, "b"), (3, "c"), (4, "d")], strict=True):
        feed.write([one], item_id=item, item_name=name)
    recorded.forget(event_details__item_id="2")
    recorded.forget(event_details__item_name="c")
    recorded.forget(event_id=ids[3])
    assert erase(lake, recorded) == 3
    assert names(lake) == ["a"]


def test_conditions_have_to_be_met_together(lake: LocalLake, recorded: Recorded) -> None:
    feed = Feed(lake.sink())
    feed.write([str(uuid.uuid4())], item_name="mine")
    feed.write([str(uuid.uuid4())], item_name="another's")
    recorded.forget(user_details__user_id="7", event_details__item_name="mine")
    assert erase(lake, recorded) == 1
    assert names(lake) == ["another's"]


def test_what_came_after_the_erasure_stays(lake: LocalLake, recorded: Recorded) -> None:
    feed = Feed(lake.sink())
    feed.write([str(uuid.uuid4())])
    recorded.forget(until=int(WHEN.timestamp() * 1000) - 1, user_details__user_id="7")
    assert erase(lake, recorded) == 0


def test_while_records_are_still_read_only_those_behind_their_end_go(lake: LocalLake, recorded: Recorded) -> None:
    """By the topic's id, the partition and the offset of each row."""
    feed = Feed(lake.sink())
    feed.write([str(uuid.uuid4())], item_name="before")
    feed.write([str(uuid.uuid4())], item_name="behind")
    recorded.forget(state="reading", behind={place("id", 0): 1}, user_details__user_id="7")
    assert erase(lake, recorded) == 1
    assert names(lake) == ["before"]


def test_what_was_read_before_somebody_was_forgotten_does_not_come_in(lake: LocalLake) -> None:
    """Its batch is read again, and left out is what is to be; what was read since comes."""
    feed = Feed(lake.sink())
    feed.write(new_ids(1))
    lake.table.again().note({forgetting.ASKED: "3"})
    with pytest.raises(Fenced, match="somebody was forgotten"):
        feed.write(new_ids(2))
    rows = feed.sink.encode([frame(new_ids(2), 0, 1, WHEN)]).payload
    table = lake.table.load()
    for step, refused in ((2, True), (3, False), (4, False)):
        with pytest.raises(Fenced) if refused else contextlib.nullcontext():
            forgetting.refuse_outdated(table.properties, replace(rows, erasures=step))
    assert joined([replace(rows, erasures=4), replace(rows, erasures=3)]).erasures == 3  # type: ignore[union-attr]
    assert lake.ask("SELECT count(*) FROM lake") == [(1,)]
