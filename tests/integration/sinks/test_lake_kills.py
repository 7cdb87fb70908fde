"""A writer of the lake that is killed in every step of a commit: nothing is lost, nothing doubled."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from pathlib import Path

import pytest

from etld.sinks.base import Fenced
from etld.sinks.iceberg.upkeep import Settings, Upkeep
from support import killing_lake
from support.killing_lake import BATCH, id_at
from support.lake import Feed, LocalLake, new_ids

pytestmark = pytest.mark.integration

EVENTS = 3 * BATCH


def test_it_is_killed_at_every_step_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the making of the table on; each next one goes on where the table says, and gets one step further."""
    # Loaded once, in the process that all of them are forked from.
    monkeypatch.setenv("PYTHONPATH", str(Path(killing_lake.__file__).parents[1]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.killing_lake"])
    deaths = 0
    for last_step in range(1, 200):
        child = context.Process(target=killing_lake.write, args=(str(tmp_path), EVENTS, last_step))
        child.start()
        child.join(60)
        assert child.exitcode in (0, -signal.SIGKILL), f"step {last_step}"
        if child.exitcode == 0:
            break
        deaths += 1
    # Metadata, data file, manifest and list are written in each commit; each is begun and ended.
    assert deaths > 12
    lake = LocalLake(tmp_path)
    found = lake.ask("SELECT kafka_offset, event_id::text FROM lake ORDER BY 1")
    assert found == [(offset, id_at(offset)) for offset in range(EVENTS) if offset % 10 != 9]
    feed = Feed(lake.sink("last#1"))
    assert feed.next == EVENTS
    assert feed.write(new_ids(1))["duplicate"] == EVENTS // 10


def test_who_lost_its_partition_in_the_middle_of_a_write_commits_nothing(tmp_path: Path) -> None:
    """The claim comes after the zombie has looked, and before it commits: the catalog refuses it."""
    lake = LocalLake(tmp_path)
    zombie = Feed(lake.sink("zombie#1"))
    zombie.write(new_ids(2))
    zombie.meanwhile = lambda: Feed(lake.sink("other#1"))
    with pytest.raises(Fenced):
        zombie.write(new_ids(3))
    assert lake.ask("SELECT count(*) FROM lake") == [(2,)]


def test_two_owners_and_an_upkeep_write_one_table_at_once(tmp_path: Path) -> None:
    """Each commit is on top of the others'; an event that comes by two partitions is stored once."""
    lake = LocalLake(tmp_path)
    shared = new_ids(30)
    failures: list[BaseException] = []
    feeds = [Feed(LocalLake(tmp_path).sink(f"owner{number}#1"), number) for number in range(2)]

    def run(feed: Feed) -> None:
        try:
            for at in range(0, 30, 3):
                feed.write([*shared[at : at + 3], *new_ids(2)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(feed,)) for feed in feeds]
    for thread in threads:
        thread.start()
    keeper = Upkeep(LocalLake(tmp_path).table, Settings(1 << 20, 3600.0))
    while any(thread.is_alive() for thread in threads):
        keeper.compact()
    for thread in threads:
        thread.join()
    assert failures == []
    keeper.compact()
    assert lake.ask("SELECT count(*), count(DISTINCT event_id) FROM lake") == [(70, 70)]
    assert lake.ask("SELECT kafka_partition, max(kafka_offset) >= 0 FROM lake GROUP BY 1 ORDER BY 1") == [
        (0, True),
        (1, True),
    ]
