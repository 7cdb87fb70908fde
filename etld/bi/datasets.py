"""The tables and views that dashboards are about, with words for what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.bi.model import Dataset, DatasetColumn, DatasetMetric, literal, quoted
from etld.config.units import format_duration
from etld.sinks.postgres import view_columns
from etld.summaries import local_buckets, table_comments, table_sql
from etld.summaries.board import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.schemas.tree import Type
    from etld.summaries.board import Board
    from etld.summaries.model import Measure

#: Columns whose values are names of code, and are shown as words; what those are called.
_NAMES = {"event_name": "Event", "event_type": "Event type"}
_HOUR = 3600
_NONE = literal("none")


def shown(column: DatasetColumn, labels: Mapping[str, str] | None = None) -> DatasetColumn | None:
    """The column that people see in the place of another: words for its values; None where they see that itself."""
    if column.type != "text" or not (labels or column.name in _NAMES):
        return None
    value = column.sql
    text = value
    if column.name in _NAMES:
        text = f"upper(left({value}, 1)) || replace(substr({value}, 2), '_', ' ')"
    said = "".join(f" WHEN {literal(raw)} THEN {literal(word)}" for raw, word in (labels or {}).items())
    if said:
        text = f"CASE {value}{said} ELSE {text} END"
    return DatasetColumn(
        f"{column.name}_shown", label_of(column.name), "text", column.description, f"coalesce({text}, {_NONE})"
    )


def label_of(name: str) -> str:
    """What a column is called where its values are shown as words."""
    return _NAMES.get(name, words(name))


def _plain(name: str) -> str:
    """What a column is called where its values are as they are."""
    return f"{_NAMES[name]} (code)" if name in _NAMES else words(name)


def of_summary(board: Board) -> Dataset:
    """The table of a summary: its groups, its measures as metrics, and the clock of its buckets."""
    summary = board.summary
    said = table_comments.words_of(summary)
    columns = [DatasetColumn("bucket_start", "Time", "timestamptz", said["bucket_start"])]
    time = "bucket_start"
    if summary.local:
        time = "bucket_local"
        clock = f"By the clock of {summary.zone}."
        columns.append(
            DatasetColumn(time, "Day", "timestamp", clock, local_buckets.local_start(summary).as_string(None))
        )
    for group in summary.groups:
        column = DatasetColumn(group.name, _plain(group.name), group.field.type, said[group.name])
        more = shown(column, board.labels(group.name))
        columns += [column, *([more] if more else [])]
    for measure in summary.measures:
        columns += [
            DatasetColumn(
                name, words(name), kind, said[name], unit="" if kind == "bigint" else board.unit(measure.name)
            )
            for name, kind in _kept(measure)
        ]
    metrics = tuple(
        DatasetMetric(
            f"{one.name}_total",
            words(one.name),
            table_sql.total(one).as_string(None),
            board.unit(one.name),
            said[one.name],
        )
        for one in board.numeric
    )
    return Dataset(
        "etld",
        summary.table,
        board.title,
        f"{board.title}: one row for each {format_duration(summary.bucket)}"
        f"{''.join(f' and {label_of(group.name).lower()}' for group in summary.groups)}.",
        tuple(columns),
        metrics,
        time,
        "bucket_start",
        summary.bucket,
        key_columns=summary.key,
    )


def _kept(measure: Measure) -> list[tuple[str, str]]:
    kinds = dict(measure.columns)
    return [(name, kinds.get(name, "numeric")) for name in measure.names]


def of_events(event_type: str, top: Type) -> Dataset:
    """The view of an event type: every field of its schema."""
    docs = view_columns.docs_of(top)
    columns = [DatasetColumn(name, _plain(name), kind, text) for name, (kind, text) in _OF_EVERY_EVENT.items()]
    columns += [
        DatasetColumn(one.name, words(one.name), one.type, f"{docs.get(one.path, '')} ({one.path})".lstrip())
        for one in view_columns.columns_of(top).columns
    ]
    named = shown(columns[1])
    assert named is not None
    return Dataset(
        "etld",
        view_columns.view_name(event_type),
        f"{words(event_type)} events",
        f"Events of type {event_type}. {top.doc}".strip(),
        (*columns, named),
        (_EVENTS, DatasetMetric("users", "Users", 'count(DISTINCT "user_id")', "users", "Users who did something."))
        if any(one.name == "user_id" for one in columns)
        else (_EVENTS,),
        "triggered_at",
        "triggered_at",
        _HOUR,
        bucketed=False,
        key_columns=("event_id",),
    )


_OF_EVERY_EVENT = view_columns.OF_EVERY_EVENT
_EVENTS = DatasetMetric("events_total", "Events", "count(*)", "events", "How many events.")


def _with_words(*columns: DatasetColumn) -> tuple[DatasetColumn, ...]:
    return tuple(one for column in columns for one in (column, shown(column)) if one is not None)


_TYPE = DatasetColumn("event_type", _plain("event_type"), "text", "The event type.")

EVENTS = Dataset(
    "public",
    "processed_events",
    "All events",
    "Every event, once, whatever its type.",
    _with_words(
        _TYPE,
        DatasetColumn("event_name", _plain("event_name"), *_OF_EVERY_EVENT["event_name"]),
        *(
            DatasetColumn(name, words(name), *_OF_EVERY_EVENT[name])
            for name in ("triggered_at", "accepted_at", "processed_at")
        ),
    ),
    (_EVENTS,),
    "triggered_at",
    "triggered_at",
    _HOUR,
    bucketed=False,
)

LETTERS = Dataset(
    "etld",
    "dead_letters_by_reason",
    "Dead letters",
    "Records that could not be stored, by what is wrong with them; see `etld dlq`.",
    _with_words(
        DatasetColumn("hour", "Hour", "timestamptz", "The hour in which they came."),
        _TYPE,
        DatasetColumn("reason", "Reason", "text", "What is wrong with them."),
        DatasetColumn("state", "State", "text", "new, repaired, resent, resolved, parked or discarded."),
        DatasetColumn("letters", "Letters", "bigint", "How many."),
    ),
    (DatasetMetric("letters_total", "Dead letters", f"sum({quoted('letters')})", "letters", "How many."),),
    "hour",
    "hour",
    _HOUR,
)

FRESHNESS = Dataset(
    "etld",
    "freshness",
    "How fresh the numbers are",
    "When events of each type were last stored.",
    _with_words(
        _TYPE,
        DatasetColumn("as_of", "Stored up to", "timestamptz", "When a processor last stored events of this type."),
        DatasetColumn("stored", "Stored", "bigint", "Events that were stored."),
        DatasetColumn("dead", "Dead", "bigint", "Records that could not be."),
    ),
)

VERDICT = Dataset(
    "etld",
    "last_reconcile",
    "Do the books agree?",
    "What the last `etld reconcile` said of topics, table, dead letters and summaries.",
    (
        DatasetColumn("compared_at", "Compared at", "timestamptz", "When they were compared."),
        DatasetColumn("verdict", "Verdict", "text", "What it said."),
        DatasetColumn("differences", "Differences", "integer", "How many it found."),
    ),
)
