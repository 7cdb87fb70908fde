"""Upkeep changes files and no event; what is old goes, and is counted."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from etld.sinks.iceberg import mirror, positions
from etld.sinks.iceberg.counting import RowCounter
from etld.sinks.iceberg.upkeep import Settings, Upkeep, expired
from support.lake import WHEN, Feed, LocalLake, frame, new_ids

DAY = dt.timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path)


def upkeep(lake: LocalLake, keep_snapshots: float = 0.0, keep_orphans: float = 0.0) -> Upkeep:
    return Upkeep(lake.table.again(), Settings(1 << 20, keep_snapshots, keep_orphans))


def data_files(lake: LocalLake) -> int:
    """How many there are on the disk."""
    return len(list(lake.folder.glob("warehouse/**/data/**/*.parquet")))


def agrees(lake: LocalLake, feed: Feed) -> bool:
    """Does the table have the rows that its positions account for, in all and by partition of the topic?"""
    table = lake.table.load()
    state = mirror.LakeState.of("etld.event_purchase", table, positions.read(table, feed.sink._consumer))
    expected = positions.expected(table)
    assert RowCounter().count(table) == expected
    return state.rows == state.expected == expected.total()


def test_small_files_are_put_together(lake: LocalLake) -> None:
    """By partition; every row is there, and the positions are as they were."""
    feed = Feed(lake.sink())
    batches = [new_ids(20) for _ in range(6)]
    for number, ids in enumerate(batches):
        feed.write(ids, WHEN + DAY * (number % 2), price=float(number))
    rows = "SELECT event_id::text, price, epoch_us(accepted_at), kafka_offset FROM lake ORDER BY kafka_offset"
    before = lake.ask(rows)
    assert upkeep(lake).compact() == 0, "three files are not worth it"
    for number in range(6):
        feed.write(new_ids(5), WHEN + DAY * (number % 2))
    before = lake.ask(rows)
    assert upkeep(lake).compact() == 10
    assert len(list(lake.table.load().scan().plan_files())) == 2
    assert lake.ask(rows) == before
    totals = feed.write(batches[0])
    assert (totals["stored"], totals["duplicate"]) == (150, 20), "the ids are still known"
    assert agrees(lake, feed)


def test_a_new_worker_knows_the_ids_of_files_that_were_put_together(lake: LocalLake) -> None:
    first = Feed(lake.sink())
    batches = [new_ids(3) for _ in range(4)]
    for ids in batches:
        first.write(ids)
    assert upkeep(lake).compact() == 3
    second = Feed(lake.sink("two#1"))
    assert second.write([*batches[2], *new_ids(1)])["duplicate"] == 3


def test_a_renamed_column_keeps_its_values(tmp_path: Path) -> None:
    """Also when files of before and after are put together."""
    old = LocalLake(tmp_path)
    feed = Feed(old.sink())
    for price in (1.0, 2.0):
        feed.write(new_ids(1), price=price)
    schema = (Path(__file__).parents[4] / "schemas" / "purchase.avsc").read_text()
    renamed = schema.replace(
        '"name": "price", "type": "double"', '"name": "amount", "aliases": ["price"], "type": "double"'
    )
    new = LocalLake(tmp_path, renamed)
    feed = Feed(new.sink("two#1"))
    for amount in (3.0, 4.0):
        feed.write(new_ids(1), amount=amount)
    amounts = "SELECT amount FROM lake ORDER BY kafka_offset"
    assert new.ask(amounts) == [(1.0,), (2.0,), (3.0,), (4.0,)]
    assert upkeep(new).compact() == 3
    assert new.ask(amounts) == [(1.0,), (2.0,), (3.0,), (4.0,)]


def test_what_is_older_than_it_is_kept_goes_and_is_counted(lake: LocalLake) -> None:
    """Only files whose events are all older."""
    feed = Feed(lake.sink())
    now = dt.datetime.now(dt.UTC)
    feed.write(new_ids(4), now - 3 * DAY)
    feed.write(new_ids(2), now)
    assert upkeep(lake).drop_older(2 * 86_400) == 4
    assert lake.ask("SELECT count(*) FROM lake") == [(2,)]
    assert upkeep(lake).drop_older(2 * 86_400) == 0
    assert agrees(lake, feed)
    feed.write(new_ids(1), now)
    assert agrees(lake, feed), "what comes later keeps the count"


def test_rows_are_taken_out_of_their_files(lake: LocalLake) -> None:
    feed = Feed(lake.sink())
    mine, others = new_ids(3), new_ids(3)
    feed.write([mine[0], others[0]])
    feed.write([mine[1], others[1]])
    feed.write([mine[2]])
    feed.write([others[2]])
    wanted = set(others)

    def keep(part: pa.Table) -> pa.Array:
        return pa.array([str(one) in wanted for one in part["event_id"].to_pylist()])

    until = int((WHEN + DAY).timestamp() * 1_000_000)
    assert upkeep(lake).rewrite(keep, until) == 3
    assert sorted(lake.ask("SELECT event_id::text FROM lake")) == sorted((one,) for one in others)
    assert upkeep(lake).rewrite(keep, until) == 0
    assert agrees(lake, feed)


def test_old_snapshots_go_and_with_them_the_files_that_nobody_needs(lake: LocalLake) -> None:
    """What is in use stays, and so does what is too young to be an orphan."""
    feed = Feed(lake.sink())
    for _ in range(5):
        feed.write(new_ids(2))
    assert upkeep(lake).compact() == 4
    stray = lake.folder / "warehouse" / "etld" / "event_purchase" / "data" / "stray.parquet"
    (found,) = lake.folder.glob("warehouse/**/event_purchase")
    stray = found / "data" / "stray.parquet"
    stray.write_bytes(b"half a file")
    assert upkeep(lake, keep_snapshots=3600).expire_snapshots() == 0
    assert upkeep(lake).expire_snapshots() > 0
    assert len(lake.table.load().metadata.snapshots) == 1
    old = time.time() - 7200
    for path in found.rglob("*"):
        os.utime(path, (old, old))
    os.utime(stray, None)
    assert upkeep(lake, keep_orphans=3600).sweep() >= 5
    assert stray.exists()
    os.utime(stray, (old, old))
    assert upkeep(lake, keep_orphans=3600).sweep() == 1
    assert data_files(lake) == 1
    assert lake.ask("SELECT count(*), count(DISTINCT event_id) FROM lake") == [(10, 10)]
    assert Feed(lake.sink("two#1")).next == 10, "the positions are known without the old snapshots"


def test_rows_are_counted_by_partition_of_the_topic_whatever_becomes_of_files(lake: LocalLake) -> None:
    """Also those that came from PostgreSQL, and each file is read once."""
    now = dt.datetime.now(dt.UTC)
    one, other = Feed(lake.sink(), 0), Feed(lake.sink("two#1"), 3)
    one.write(new_ids(4), now - 3 * DAY)
    for _ in range(4):
        one.write(new_ids(5), now)
        other.write(new_ids(2), now)
    rows = other.sink.encode([frame(new_ids(3), 1, -3, now)]).payload
    assert upkeep(lake).add(rows, lake.known_ids()) == 3
    counter = RowCounter()
    assert counter.count(lake.table.load(), -1.0) is None, "it is to go on later"
    assert counter.count(lake.table.load()) == {0: 24, 1: 3, 3: 8}
    assert upkeep(lake).drop_older(2 * 86_400) == 4
    assert upkeep(lake).compact() == 8
    table = lake.table.load()
    assert counter.count(table) == positions.expected(table) == {0: 20, 1: 3, 3: 8}
    for path in lake.folder.glob("warehouse/**/data/**/*.parquet"):
        path.unlink()
    assert counter.count(table) == {0: 20, 1: 3, 3: 8}


def test_rows_that_others_deleted_are_missed_in_their_partition(lake: LocalLake) -> None:
    one, other = Feed(lake.sink(), 0), Feed(lake.sink("two#1"), 3)
    one.write(new_ids(4))
    other.write(new_ids(2))
    table = lake.table.load()
    with table.transaction() as transaction, transaction.update_snapshot().overwrite() as snapshot:
        snapshot.delete_data_file(next(iter(table.scan(row_filter="kafka_partition = 3").plan_files())).file)
    table = lake.table.load()
    assert positions.expected(table) == {0: 4, 3: 2}
    assert RowCounter().count(table) == {0: 4}


def test_of_an_hour_that_is_over_one_snapshot_is_kept() -> None:
    """Of the last hour all are, and nothing of what is older than it is kept."""
    minute, now = 60_000, 500_000 * 3_600_000 + 1_800_000
    times = {at: now - at * 20 * minute for at in range(12)}
    # Every twenty minutes: 0 to 3 are of the last hour; of each hour before it is the newest one, at 2, 5, 8 and 11.
    assert expired(times, now, 86_400.0) == [4, 6, 7, 9, 10]
    assert expired(times, now, 2 * 3600.0) == [4, *range(6, 12)]
    assert expired({}, now, 3600.0) == []


def test_positions_are_known_when_their_snapshot_has_expired(lake: LocalLake) -> None:
    """And another engine's is the newest; not those of a later one than a table that was rolled back has."""
    feed = Feed(lake.sink())
    feed.write(new_ids(4))
    table = lake.table.load()
    early = table.metadata.current_snapshot_id
    table.append(table.scan().to_arrow().slice(0, 0))
    assert early is not None
    foreign = lake.table.load().metadata.current_snapshot_id
    assert upkeep(lake).expire_snapshots() > 0
    assert positions.read(lake.table.load(), feed.sink._consumer)[feed.partition].next == 4
    later = Feed(lake.sink("two#1"))
    later.write(new_ids(3))
    assert foreign is not None
    lake.table.load().manage_snapshots().set_current_snapshot(foreign).commit()
    assert positions.read(lake.table.load(), feed.sink._consumer) == {}
