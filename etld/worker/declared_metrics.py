"""Every number that workers count, for Prometheus: a new one is a line here, and a call where it is counted.

The names go without the prefix "etld_", and counters without "_total"; units are base units (seconds, bytes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECORDS = (1.0, 10.0, 100.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 20000.0, 50000.0, 100000.0)


@dataclass(frozen=True, slots=True)
class DeclaredMetric:
    """`buckets`: the upper bounds of a histogram, without the last, +Inf."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    buckets: tuple[float, ...] = ()


_METRICS = (
    # Ingest.
    DeclaredMetric("accepted", "counter", "Events accepted over HTTP, dead letters among them."),
    DeclaredMetric("rejected", "counter", "Events refused over HTTP as the client's mistake."),
    DeclaredMetric("dead_lettered", "counter", "Events accepted over HTTP into the dead letter queue."),
    DeclaredMetric("sampled", "counter", "Events accepted over HTTP that the sampling left out."),
    DeclaredMetric("unavailable", "counter", "Requests and events answered 503."),
    DeclaredMetric("limited", "counter", "Requests answered 429."),
    DeclaredMetric("ignored_calls", "counter", "Segment's calls that [ingest.segment_calls] ignores."),
    DeclaredMetric("http_requests", "counter", "Requests over HTTP."),
    DeclaredMetric(
        "key_events",
        "counter",
        "Events by write key and result; a request refused as a whole (400, 413, 429) counts as one.",
    ),
    DeclaredMetric("connections", "gauge", "Open HTTP connections."),
    DeclaredMetric("failed_handshakes", "counter", "Connections that ended before their TLS handshake was done."),
    DeclaredMetric(
        "queue_depth", "gauge", "What waits in ingest: requests for their answer, records for Kafka's acknowledgement."
    ),
    # What the database counts: Worker.totals().
    DeclaredMetric("stored", "counter", "Events stored in processed_events, since the database was made."),
    DeclaredMetric("duplicate", "counter", "Events that were stored already, since the database was made."),
    DeclaredMetric("expired", "counter", "Events stored that retention has deleted, since the database was made."),
    DeclaredMetric("forgotten", "counter", "Events stored that `etld forget` has erased, since the database was made."),
    DeclaredMetric("filtered", "counter", "Events that a transform left out, since the database was made."),
    DeclaredMetric(
        "dead", "counter", "Dead letters of ingest and of the processors, of all daemons, as one of them saw them come."
    ),
    DeclaredMetric("repaired", "counter", "Dead letters repaired, sent back and stored, since the daemon started."),
    DeclaredMetric("parked", "counter", "Dead letters parked because no rule repairs them, since the daemon started."),
    # Roles that read topics.
    DeclaredMetric("consumer_lag", "gauge", "Records of a partition not yet processed."),
    DeclaredMetric(
        "consumer_lag_seconds", "gauge", "For how long the oldest record of a partition not yet processed has waited."
    ),
    DeclaredMetric("batch_records", "histogram", "Records in a batch.", RECORDS),
    DeclaredMetric("batch_duration_seconds", "histogram", "Time to write a batch.", SECONDS),
    DeclaredMetric(
        "end_to_end_seconds", "histogram", "From an event's acceptance to its commit in PostgreSQL.", SECONDS
    ),
    DeclaredMetric(
        "rewound", "counter", "Records read again because PostgreSQL went over to a standby that was behind."
    ),
    DeclaredMetric(
        "killers", "counter", "Records, and letters, found to end the process that works on them, by topic."
    ),
    DeclaredMetric("event_partitions", "gauge", "Partitions of processed_events."),
    DeclaredMetric(
        "event_id_filters_bytes",
        "gauge",
        "Files of the filters of event ids, of the host; each processor tells the same.",
    ),
    DeclaredMetric(
        "event_partitions_begin_timestamp_seconds", "gauge", "Where the oldest one begins; none: it holds all before."
    ),
    DeclaredMetric("event_partitions_end_timestamp_seconds", "gauge", "Where the newest one ends, well ahead of now."),
    DeclaredMetric("charts_drawn", "counter", "Pictures of summaries."),
    DeclaredMetric(
        "dead_letters", "gauge", "Dead letters of the database by their state now; one daemon of all tells them."
    ),
    DeclaredMetric("dead_letters_received", "counter", "Records read from the dead letter queue."),
    # The lake.
    DeclaredMetric(
        "event_partitions_held", "gauge", "Partitions whose time is over, and that stay until the lake has all of them."
    ),
    DeclaredMetric("lake_rows", "gauge", "Rows of a table of the lake."),
    DeclaredMetric("lake_files", "gauge", "Data files of a table of the lake."),
    DeclaredMetric("lake_bytes", "gauge", "Bytes of those files."),
    DeclaredMetric("lake_snapshots", "gauge", "States of a table of the lake that can still be read."),
    DeclaredMetric(
        "lake_newest_timestamp_seconds", "gauge", "When Kafka took the newest event that this worker has committed."
    ),
    DeclaredMetric("lake_commit_seconds", "histogram", "Time to write and commit a snapshot of the lake.", SECONDS),
    DeclaredMetric(
        "lake_commit_conflicts", "counter", "Commits to the lake that another's came before; they go again."
    ),
    # The console.
    DeclaredMetric("console_requests", "counter", "Requests to the console, by its path and the status of the answer."),
    DeclaredMetric("console_request_seconds", "histogram", "Time to answer a request to the console.", SECONDS),
    DeclaredMetric("console_failed_log_ins", "counter", "Log-ins and bearer tokens that the console refused."),
    DeclaredMetric("console_sessions", "gauge", "Browsers that the console knows."),
    DeclaredMetric("console_live_pages", "gauge", "Pages of the console that are looked at now."),
    DeclaredMetric("console_actions", "gauge", "Actions of the console under way."),
    DeclaredMetric("console_dry_runs", "gauge", "Dry runs of rules under way."),
    DeclaredMetric("console_connections", "gauge", "Connections to PostgreSQL that the console uses now, of 4."),
    # Alerts.
    DeclaredMetric("alerts_delivered", "counter", "Messages that a webhook has taken."),
    DeclaredMetric("alert_failures", "counter", "Tries to bring a message to a webhook that it did not take."),
    DeclaredMetric("alerts_dropped", "counter", "Messages given up because too many waited."),
    DeclaredMetric("alerts_waiting", "gauge", "Messages that a webhook has not taken yet."),
)

DECLARED: dict[str, DeclaredMetric] = {metric.name: metric for metric in _METRICS}


def bounds(name: str) -> tuple[float, ...]:
    """A histogram's upper bounds; a name that only another version declares has those of its unit."""
    declared = DECLARED.get(name)
    if declared is not None:
        return declared.buckets
    return SECONDS if name.endswith("_seconds") else RECORDS


def help_of(name: str) -> str:
    """What a metric counts."""
    declared = DECLARED.get(name)
    return declared.help if declared is not None else "Counted by a worker."
