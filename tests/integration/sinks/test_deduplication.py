"""An event id is stored once within the window, whichever partitions of the table its records belong to."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from etld.kafka.types import Partition
from etld.postgres import connections
from etld.postgres.connections import Connection
from etld.postgres.migrate import migrate
from etld.sinks.base import Advance, Consumer, PartitionLog, RecordCounts, SinkError, Verdict
from etld.sinks.postgres.deduplication import filter_file
from etld.sinks.postgres.deduplication.builder import FilterBuilder
from etld.sinks.postgres.partitions import takeover
from etld.sinks.postgres.sink import PostgresSink
from support.ids import id_at
from support.waiting import wait_until

pytestmark = pytest.mark.integration

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
WINDOW = 2 * DAY
#: Half an hour before the second midnight from now: the table's leaves are days, and this one is not the first.
EVENING = dt.datetime.now(dt.UTC).replace(hour=23, minute=30, second=0, microsecond=0) + DAY
Sent = tuple[str, dt.datetime]


class Writer:
    """A processor of one Kafka partition: writes batches as the loop does."""

    def __init__(self, database: str, number: int, filters: Path | None = None) -> None:
        def connect(_hurry: bool) -> Connection:
            return connections.connect(database, application_name="etld test", lock_timeout=20.0)

        self._partition = Partition("event_purchase", number)
        self._sink = PostgresSink(
            connect, Consumer("cluster", "group", f"w{number}#1"), window=WINDOW.total_seconds(), filters=filters
        )
        (claimed,), _ = self._sink.claim([PartitionLog(self._partition, "id", 0, 1 << 40)])
        self._epoch, self._at = claimed.epoch, claimed.next_offset
        self._writer = self._sink.writer()

    def write(self, events: Sequence[Sent]) -> int:
        """Write a batch; how many were new."""
        at, count = self._at, len(events)
        rows = [
            {
                "event_id": event_id,
                "event_name": "added_to_cart",
                "event_type": "purchase",
                "user_details": {"user_id": 7},
                "event_details": {"price": 1.5},
                "triggered_at": accepted,
                "accepted_at": accepted,
                "row": i,
                "kafka_partition": self._partition.number,
                "kafka_offset": at + i,
            }
            for i, (event_id, accepted) in enumerate(events)
        ]
        frame = pl.DataFrame(rows).with_columns(
            pl.col("kafka_partition").cast(pl.Int32),
            pl.col("triggered_at", "accepted_at").cast(pl.Datetime("us", "UTC")),
        )
        encoded = self._sink.encode([frame])
        advance = Advance(self._partition, "id", self._epoch, at, at + count, count, 0)
        new = count

        def effects(transaction: object, verdict: Verdict | None) -> dict[Partition, RecordCounts]:
            nonlocal new
            found = transaction.write_events(encoded, verdict)  # type: ignore[attr-defined]
            new = count if found is None else sum(found.stored.values())
            return {self._partition: RecordCounts(stored=new - count, duplicate=count - new)}

        outcomes = {self._partition: RecordCounts(stored=count)}
        verdict: Verdict | None = None
        while True:
            try:
                self._writer.write([advance], outcomes, lambda t, v=verdict: effects(t, v))  # type: ignore[misc]
            except SinkError as error:
                if error.verdict == "retry":
                    continue  # two that waited for each other
                if verdict is not None:
                    raise
                verdict = error.verdict
            else:
                break
        self._at += count
        return new

    def close(self) -> None:
        self._writer.disconnect()
        self._sink.disconnect()


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database whose table has a partition a day."""
    with connections.connect(database, application_name="etld test") as made:
        migrate(made)
        takeover.ensure(made, "day")
        yield made


@pytest.fixture
def writers(conn: Connection, database: str, tmp_path: Path) -> Iterator[list[Writer]]:
    """Two processors of one host."""
    made = [Writer(database, number, tmp_path / "filters") for number in (0, 1)]
    yield made
    for one in made:
        one.close()


def new_id(kind: str, when: dt.datetime = EVENING) -> str:
    """An id of that kind; a time in it is that of `when`."""
    return id_at(kind, when)


def rows(conn: Connection) -> list[tuple[str, dt.datetime]]:
    """All rows: id and time."""
    return conn.execute("SELECT event_id::text, accepted_at FROM processed_events ORDER BY 2, 1").fetchall()


def make_filters(conn: Connection, directory: Path) -> list[Path]:
    """Make those that are due, at once."""
    FilterBuilder(directory, WINDOW.total_seconds(), lambda _: True, stable=0.0).run(conn)
    return sorted(directory.glob("*.filter"))


def spoil(files: list[Path], how: str) -> None:
    """Do something to filter files."""
    for path in files:
        if how == "missing":
            path.unlink()
        elif how == "torn":
            path.write_bytes(path.read_bytes()[:-16])
        elif how == "of other leaves":
            path.write_bytes(files[0].read_bytes())
        elif how == "damaged":
            path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))


@pytest.mark.parametrize("how", ["good", "missing", "torn", "of other leaves", "damaged"])
def test_what_comes_again_within_the_window_is_a_duplicate(
    writers: list[Writer], conn: Connection, tmp_path: Path, how: str
) -> None:
    """After an hour, a day, 47 hours: over midnight, whatever ids they have. After three days it is new."""
    first, second = writers
    sent = {kind: [(new_id(kind), EVENING) for _ in range(40)] for kind in ("v4", "v5", "v7")}
    events = [one for some in sent.values() for one in some]
    assert first.write(events) == 120
    for number, later in enumerate((HOUR, DAY, 47 * HOUR)):
        # Something new makes the next leaf current, so that the one before is final.
        fresh = [(new_id(kind, EVENING + later), EVENING + later) for kind in sent for _ in range(10)]
        assert second.write(fresh) == 30
        spoil(make_filters(conn, tmp_path / "filters"), how)
        again = [(event_id, EVENING + later) for event_id, _ in events]
        assert writers[number % 2].write(again) == 0, f"{later} later"
        assert second.write([*again, (new_id("v4"), EVENING + later)]) == 1
        events += fresh
    late = EVENING + 3 * DAY
    assert first.write([(event_id, late) for event_id, _ in events[:120]]) == 120
    stored = rows(conn)
    assert len(stored) == len(set(stored)) == 120 + 3 * 31 + 120


def test_a_filter_spares_the_look_and_never_hides_a_row_of_later(
    writers: list[Writer], conn: Connection, tmp_path: Path
) -> None:
    """A late row gives its leaf a new version: the filter that does not know it is not asked."""
    first, second = writers
    known = [(new_id("v4"), EVENING) for _ in range(50)]
    first.write(known)
    second.write([(new_id("v4"), EVENING + HOUR)])
    (path,) = make_filters(conn, tmp_path / "filters")
    before = path.read_bytes()
    late = [(new_id("v4"), EVENING + dt.timedelta(minutes=1)) for _ in range(50)]
    assert second.write(late) == 50
    assert first.write([(event_id, EVENING + 2 * HOUR) for event_id, _ in late + known]) == 0
    assert make_filters(conn, tmp_path / "filters") == [path]
    assert path.read_bytes() != before
    assert first.write([(event_id, EVENING + 2 * HOUR) for event_id, _ in late + known]) == 0
    assert len(rows(conn)) == 101


def test_without_a_lie_of_a_filter_nothing_is_lost(
    writers: list[Writer], conn: Connection, database: str, tmp_path: Path
) -> None:
    """Ids of others that a filter takes for known are looked up: all of many new ones are stored."""
    writers[0].write([(new_id("v4"), EVENING) for _ in range(3000)])
    writers[0].write([(new_id("v4"), EVENING + HOUR)])
    make_filters(conn, tmp_path / "filters")
    assert writers[1].write([(new_id("v4"), EVENING + HOUR) for _ in range(5000)]) == 5000


def test_one_batch_may_have_an_id_twice(writers: list[Writer], conn: Connection) -> None:
    """On both sides of midnight the first stays; further apart than the window they are two events."""
    first, _ = writers
    twice, again, apart = (new_id("v4") for _ in range(3))
    others = [(new_id("v4"), EVENING + HOUR) for _ in range(2000)]
    batch = [(twice, EVENING), (apart, EVENING), (again, EVENING + HOUR), *others]
    batch += [(twice, EVENING + HOUR), (again, EVENING + HOUR), (apart, EVENING + 3 * DAY)]
    assert first.write(batch) == 2004
    assert sorted(one for one in rows(conn) if one[0] in (twice, again, apart)) == sorted(
        [(twice, EVENING), (again, EVENING + HOUR), (apart, EVENING), (apart, EVENING + 3 * DAY)]
    )


def test_two_writers_at_a_bound_store_an_id_once(writers: list[Writer], conn: Connection) -> None:
    """The same ids at the same moment, before midnight by the one and after it by the other."""
    rounds, count = 40, 60
    barrier = threading.Barrier(2)
    ids = [[new_id("v4") for _ in range(count)] for _ in range(rounds)]
    new = [0, 0]

    def run(which: int) -> None:
        for number, some in enumerate(ids):
            # Each in its turn is the one that comes late.
            after = (number + which) % 2
            barrier.wait(60)
            new[which] += writers[which].write([(event_id, EVENING + after * HOUR) for event_id in some])

    threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(new) == rounds * count
    assert min(new) > 0
    found = [event_id for event_id, _ in rows(conn)]
    assert sorted(found) == sorted(event_id for some in ids for event_id in some)


def test_rows_of_before_there_were_partitions_are_known_for_the_window_after_the_takeover(
    database: str, tmp_path: Path
) -> None:
    with connections.connect(database, application_name="etld test") as conn:
        migrate(conn)
        old = Writer(database, 0)
        ids = [new_id(kind) for kind in ("v4", "v5", "v7")]
        now = dt.datetime.now(dt.UTC)
        assert old.write([(event_id, now) for event_id in ids]) == 3
        conn.execute("UPDATE processed_events SET accepted_at = NULL")
        assert takeover.ensure(conn, "day") is None
        old.close()
        one = Writer(database, 1, tmp_path / "filters")
        assert one.write([(event_id, now + HOUR) for event_id in ids]) == 0
        tomorrow = now + DAY + HOUR
        assert one.write([(new_id("v4"), tomorrow)]) == 1
        assert make_filters(conn, tmp_path / "filters")
        assert one.write([(event_id, tomorrow) for event_id in ids]) == 0
        assert one.write([(event_id, now + WINDOW + HOUR) for event_id in ids]) == 3
        one.close()


def test_filters_go_with_their_leaves(writers: list[Writer], conn: Connection, tmp_path: Path) -> None:
    """And what a killed process left behind."""
    writers[0].write([(new_id("v4"), EVENING)])
    writers[0].write([(new_id("v4"), EVENING + HOUR)])
    (path,) = make_filters(conn, tmp_path / "filters")
    rest = path.with_name(f".{path.name}.torn")
    rest.write_bytes(b"")
    (name,) = conn.execute("SELECT relname FROM pg_class WHERE oid = %s", (int(path.stem),)).fetchone() or ("",)
    conn.execute(f"DROP TABLE etld.{name}")
    conn.execute("DELETE FROM etld.event_partition WHERE name = %s", (name,))
    assert make_filters(conn, tmp_path / "filters") == []
    assert not list((tmp_path / "filters").iterdir())


def test_one_process_of_a_host_makes_filters(writers: list[Writer], conn: Connection, tmp_path: Path) -> None:
    """Another that finds it at work does nothing; told to stop, it leaves no file."""
    writers[0].write([(new_id("v4"), EVENING)])
    writers[0].write([(new_id("v4"), EVENING + HOUR)])
    directory = tmp_path / "filters"
    other: list[list[Path]] = []

    def pause(_: float) -> bool:
        other.append(make_filters(conn, directory))
        return False

    with connections.connect(conn.info.dsn, password=conn.info.password, application_name="etld test") as own:
        FilterBuilder(directory, WINDOW.total_seconds(), pause, stable=0.0).run(own)
    assert other == [[]]
    assert list(directory.iterdir()) == []
    assert len(make_filters(conn, directory)) == 1


def test_a_leaf_that_changes_all_the_time_has_no_filter_made(
    writers: list[Writer], conn: Connection, tmp_path: Path
) -> None:
    first, directory = writers[0], tmp_path / "filters"
    first.write([(new_id("v4"), EVENING)])
    first.write([(new_id("v4"), EVENING + HOUR)])
    builder = FilterBuilder(directory, WINDOW.total_seconds(), lambda _: True, stable=0.2)
    for _ in range(3):
        builder.run(conn)
        assert list(directory.iterdir()) == []
        first.write([(new_id("v4"), EVENING)])

    def made() -> bool:
        builder.run(conn)
        return bool(list(directory.iterdir()))

    wait_until(made, 10, "the filter is made once the leaf is at rest")
    (path,) = directory.glob(f"*{filter_file.SUFFIX}")
    assert path.stat().st_mode & 0o777 == 0o600
