"""Ask the database and Kafka, and compare."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from etld.config.names import AGGREGATOR
from etld.kafka.admin import Admin
from etld.kafka.types import Partition, Watermarks
from etld.reconcile import verdicts
from etld.reconcile.compare import caught_up, compare
from etld.reconcile.counts import read_counts
from etld.summaries import definition, recompute
from etld.worker import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.postgres.pool import Pool
    from etld.reconcile.report import Report
    from etld.summaries.model import Summary
    from etld.summaries.recompute import Comparison

_LOOK_EVERY = 0.5
# Seconds in which an aggregator that works has read more of what the processors have read.
_AGGREGATOR_FOLLOWS = 5.0
_BEHIND = "not compared, for the aggregator has not read all that the processors have: see `etld status`"


def in_memory_broker(config: Config, kafka_settings: Mapping[str, Any]) -> bool:
    """Is the broker the embedded one that forgets its topics? Raises `KafkaProblem`."""
    embedded = config.kafka.bootstrap_servers == EMBEDDED
    return embedded and Admin(kafka_settings).cluster_id().startswith("tansu")


def reconcile(
    pool: Pool,
    config: Config,
    kafka_settings: Mapping[str, Any],
    *,
    in_memory_broker: bool = False,
    patience: float = 0.0,
) -> Report:
    """The report of this moment, or of the one within `patience` seconds when nothing is in flight or differs.

    Summaries that the aggregator keeps back, while nothing is in flight, are a difference when it has read nothing for
    some seconds. What it says is noted in the database. Raises `KafkaProblem` and psycopg errors.
    """
    report = _settled(pool, config, kafka_settings, in_memory_broker=in_memory_broker, patience=patience)
    with pool.connection() as conn:
        verdicts.note(conn, report)
    return report


def _settled(
    pool: Pool, config: Config, kafka_settings: Mapping[str, Any], *, in_memory_broker: bool, patience: float
) -> Report:
    began = moved = time.monotonic()
    summed_up = -1
    while True:
        report, now_summed_up = _report(pool, config, kafka_settings, in_memory_broker=in_memory_broker)
        behind = [] if report.in_flight else [one["name"] for one in report.summaries if one["equal"] is None]
        now = time.monotonic()
        if now_summed_up != summed_up:
            moved, summed_up = now, now_summed_up
        follows = report.ok and behind and now - moved < _AGGREGATOR_FOLLOWS
        if now - began >= patience and not follows:
            report.differences += [f"summary {name}: {_BEHIND}" for name in behind]
            return report
        if report.ok and not report.in_flight and not behind:
            return report
        time.sleep(_LOOK_EVERY)


def _report(
    pool: Pool, config: Config, kafka_settings: Mapping[str, Any], *, in_memory_broker: bool
) -> tuple[Report, int]:
    """The report of this moment, and how many records the aggregator has read."""
    admin = Admin(kafka_settings)
    kafka = config.kafka
    names = [kind.topic for kind in config.event_types.values()] + [kafka.dead_letter_topic, kafka.parked_topic]
    topics = admin.topics(names)
    # The database first: what arrives in between is in flight, and never beyond the end of a log.
    with pool.connection() as conn:
        counts = read_counts(conn, admin.cluster_id())
    watermarks: dict[Partition, Watermarks] = {}
    for topic in topics.values():
        for number, marks in admin.watermarks(topic.name, range(topic.partitions)).items():
            watermarks[Partition(topic.name, number)] = marks
    ids = {topic.name: topic.topic_id for topic in topics.values()}
    report = compare(counts, watermarks, ids, kafka, in_memory_broker=in_memory_broker)
    if in_memory_broker or caught_up(counts, watermarks, kafka):
        for found in _compare_summaries(pool, config):
            report.summaries.append({"name": found.name, "equal": found.equal})
            report.differences += [f"summary {found.name}: {text}" for text in found.differences]
    else:
        report.summaries = [{"name": name, "equal": None} for name in config.summaries]
    return report, sum(row.consumed for row in counts.positions if row.consumer_group == AGGREGATOR)


def _compare_summaries(pool: Pool, config: Config) -> list[Comparison]:
    """All at once, each in a connection of its own: every one reads all of processed_events."""
    summaries = definition.read(config.summaries, config.event_types)

    def compare_one(summary: Summary) -> Comparison:
        with pool.connection() as conn:
            return recompute.compare(conn, summary, config.aggregator.dedup_window)

    with ThreadPoolExecutor(pool.size, "reconcile") as threads:
        return list(threads.map(compare_one, summaries))
