"""Ask the database and Kafka, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.deadletters.letter_headers import DEAD_LETTER_TOPIC, PARKED_TOPIC
from etld.kafka.admin import Admin
from etld.reconcile import accounting
from etld.reconcile.compare import Report, caught_up, compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.postgres.connections import Connection


def reconcile(
    conn: Connection, config: Config, settings: Mapping[str, Any], *, in_memory_broker: bool = False
) -> Report:
    """The report of this moment; raises `KafkaProblem` and psycopg errors."""
    admin = Admin(settings)
    names = [kind.topic for kind in config.event_types.values()] + [DEAD_LETTER_TOPIC, PARKED_TOPIC]
    topics = admin.topics(names)
    # The books first: what arrives in between is in flight, and never beyond the end of a log.
    books = accounting.books(conn, admin.cluster_id())
    marks: dict[tuple[str, int], tuple[int, int]] = {}
    for topic in topics.values():
        for part, pair in admin.watermarks(topic.name, range(topic.partitions)).items():
            marks[(topic.name, part)] = pair
    ids = {topic.name: topic.topic_id for topic in topics.values()}
    report = compare(books, marks, ids, in_memory_broker=in_memory_broker)
    settled = in_memory_broker or caught_up(books, marks)
    report.summaries, differences = _summaries(conn, config, settled=settled)
    report.differences += differences
    return report


def _summaries(conn: Connection, config: Config, *, settled: bool) -> tuple[list[dict[str, Any]], list[str]]:
    from etld.summaries.definition import read
    from etld.summaries.tables import compare as compare_summaries

    if not settled:
        return [{"name": name, "equal": None} for name in config.summaries], []
    found: list[dict[str, Any]] = []
    differences: list[str] = []
    definitions = read(config.summaries, config.event_types)
    for one in compare_summaries(conn, definitions, config.aggregator.dedup_window):
        found.append({"name": one["name"], "equal": one["equal"]})
        differences += [f"summary {one['name']}: {text}" for text in one.get("differences", ())]
        if not one["equal"] and not one.get("differences"):
            differences.append(f"summary {one['name']} differs from the same query over processed_events")
    return found, differences
