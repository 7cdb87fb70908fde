"""What of processed_events the lake has for sure: by positions without a hole, or by a backfill that is done."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from etld.postgres.compose import SQL
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.sinks.iceberg import holding
from etld.sinks.iceberg.holding import Lacking

pytestmark = pytest.mark.integration

NOW = dt.datetime.now(dt.UTC)
OLD = NOW - dt.timedelta(days=3)
TABLE = SQL("public.processed_events")
LIFE = (
    "INSERT INTO etld.kafka_position_history SELECT cluster_id, consumer_group, topic, partition, 'before', 0, 7,"
    " 0, '', 0, 0, 0, 0, 0, 0, 0, '', now(), 'TOPIC_RECREATED' FROM etld.kafka_position"
)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """Ten purchases of partition 0, stored days ago, which the processor and the lake have read."""
    with connect(database, application_name="etld test") as made:
        migrate(made)
        stored(made, range(10))
        position(made, "etld-processor-purchase", 10)
        position(made, "etld-lake-purchase", 10)
        yield made


def stored(conn: Connection, offsets: range, **changes: Any) -> None:
    given = {"type": "purchase", "partition": 0, "accepted": OLD, "processed": OLD, **changes}
    with conn.cursor() as cur:
        cur.executemany(
            "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
            " accepted_at, processed_at, kafka_partition, kafka_offset) VALUES (%(id)s, 'x', %(type)s, '{}', '{}',"
            " now(), %(accepted)s, %(processed)s, %(partition)s, %(offset)s)",
            [{**given, "id": uuid.uuid4(), "offset": offset} for offset in offsets],
        )


def position(conn: Connection, group: str, end: int, **changes: Any) -> None:
    given = {"cluster": "c", "topic": "event_purchase", "part": 0, "id": "first", "start": 0, "lost": 0, **changes}
    conn.execute(
        "INSERT INTO etld.kafka_position (cluster_id, consumer_group, topic, partition, topic_id, start_offset,"
        " next_offset, owner, lost) VALUES (%(cluster)s, %(group)s, %(topic)s, %(part)s, %(id)s, %(start)s, %(end)s,"
        " '', %(lost)s)",
        {**given, "group": group, "end": end},
    )


def lacking(conn: Connection) -> list[Lacking]:
    return holding.read(conn, "c").lacking(conn, TABLE)


def test_all_that_was_read_is_there(conn: Connection) -> None:
    assert lacking(conn) == []
    assert not holding.read(conn, "c").lacks(conn, TABLE)


def test_what_is_read_later_comes_by_itself(conn: Connection) -> None:
    stored(conn, range(10, 13))
    assert lacking(conn) == [Lacking("purchase", 3, 3, OLD)]
    assert not lacking(conn)[0].to_fill


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE etld.kafka_position SET start_offset = 4 WHERE consumer_group = 'etld-lake-purchase'",
        "UPDATE etld.kafka_position SET lost = 2 WHERE consumer_group = 'etld-lake-purchase'",
        "UPDATE etld.kafka_position SET topic_id = 'second'",
        "UPDATE etld.kafka_position SET topic_id = 'second' WHERE consumer_group = 'etld-lake-purchase'",
        LIFE,
        "DELETE FROM etld.kafka_position WHERE consumer_group = 'etld-lake-purchase'",
    ],
    ids=["began later", "a hole", "both anew", "the lake anew", "another life", "no position"],
)
def test_what_cannot_be_told_is_to_be_filled(conn: Connection, change: str) -> None:
    """By offsets alone; the rows are still those of the first life."""
    conn.execute(change.encode())
    if "SET topic_id" in change and "WHERE" not in change:
        position(conn, "etld-processor-purchase", 10, cluster="gone")
    (one,) = lacking(conn)
    assert one.to_fill
    assert holding.read(conn, "c").lacks(conn, TABLE)


def test_what_was_read_again_is_to_be_filled(conn: Connection) -> None:
    """It may have been a dead letter when the lake read it."""
    conn.execute(LIFE.replace("TOPIC_RECREATED", "rewound").replace("'before'", "topic_id").encode())
    assert lacking(conn) == [Lacking("purchase", 7, 0, OLD)]


def test_a_backfill_proves_what_it_has_seen(conn: Connection) -> None:
    """Once it is done, and of what was stored well before it began; it is ordered once."""
    conn.execute("DELETE FROM etld.kafka_position")
    (one,) = lacking(conn)
    assert holding.order(conn, one, "retention")
    assert not holding.order(conn, one, "retention")
    assert lacking(conn) == [one], "it is under way"
    conn.execute("UPDATE etld.lake_backfill SET done_at = now()")
    assert lacking(conn) == []
    stored(conn, range(20, 22), processed=NOW)
    stored(conn, range(30, 33), accepted=OLD - dt.timedelta(days=1))
    stored(conn, range(5), type="order")
    assert [(left.event_type, left.rows) for left in lacking(conn)] == [("order", 5), ("purchase", 5)]
    assert holding.order(conn, lacking(conn)[1], "retention"), "for what is older"


def test_rows_that_are_there_may_go_one_by_one(conn: Connection) -> None:
    stored(conn, range(10, 12))
    proof = holding.read(conn, "c")
    query = SQL("SELECT kafka_offset FROM processed_events e WHERE {} ORDER BY 1").format(proof.has)
    assert [row[0] for row in conn.execute(query)] == list(range(10))
