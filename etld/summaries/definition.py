"""From `[summaries.<name>]` to what a summary is.

Pure but for reading schema files; no client is imported, so that a check of the configuration can call `check`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfoNotFoundError, available_timezones

from etld.config.mistakes import Mistake
from etld.config.units import format_duration
from etld.errors import EtldError
from etld.events import times
from etld.schemas import tree
from etld.schemas.fields import Known, lookup
from etld.summaries.chart_model import PANEL_KINDS
from etld.summaries.model import DAY, UTC, EventField, EventFilter, GroupColumn, Measure, Summary
from etld.util.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etld.schemas.tree import Type

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_FUNCTIONS = ("sum", "avg", "min", "max")
_NUMBERS = frozenset({"integer", "bigint", "real", "double precision", "numeric"})
_GROUPABLE = frozenset({"text", "integer", "bigint", "boolean"})
#: What every table of PostgreSQL has.
_SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
_SHORTEST, _LONGEST = 1.0, 366 * 86400.0


class BadSummary(EtldError):
    """A summary in the config cannot be made."""

    code = "ETLD-M001"


def read(summaries: Mapping[str, Any], event_types: Mapping[str, Any]) -> list[Summary]:
    """Every summary of a config, in its order. Raises `BadSummary`."""
    schemas = _schemas(event_types)
    made = []
    for name, table in summaries.items():
        unread = [kind for kind in table.event_types if kind not in schemas]
        if unread:
            raise BadSummary(f"summary {name} cannot be made: the schema of {', '.join(unread)} cannot be read")
        mistakes: list[Mistake] = []
        summary = _SummaryReader(name, table, schemas, mistakes).summary()
        if mistakes or summary is None:
            text = "; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in mistakes)
            raise BadSummary(f"summary {name} cannot be made: {text}. See `etld config check`.")
        made.append(summary)
    return made


def check(summaries: Mapping[str, Any], event_types: Mapping[str, Any]) -> list[Mistake]:
    """Everything that is wrong with the summaries of a config.

    Unknown event types, measures and group columns of charts, and a schema file that cannot be read, are
    left to the config's own check.
    """
    schemas = _schemas(event_types)
    mistakes: list[Mistake] = []
    for name, table in summaries.items():
        summary = _SummaryReader(name, table, schemas, mistakes).summary()
        if summary is not None and table.chart is not None:
            mistakes += _chart_mistakes(summary, table.chart)
    return mistakes


def _schemas(event_types: Mapping[str, Any]) -> dict[str, Type]:
    found = {}
    for name, kind in event_types.items():
        try:
            found[name] = tree.read(kind.schema.read_text("utf-8"))
        except (OSError, ValueError):
            continue
    return found


class _SummaryReader:
    """Reads one summary and notes what is wrong with it."""

    def __init__(
        self,
        name: str,
        table: Any,
        schemas: Mapping[str, Type],
        mistakes: list[Mistake],
    ) -> None:
        self._name = name
        self._table = table
        self._schemas = schemas
        self._mistakes = mistakes

    def summary(self) -> Summary | None:
        """The summary, or None when a part of it is missing."""
        before = len(self._mistakes)
        table = self._table
        if not _NAME.fullmatch(self._name):
            self._wrong((), "becomes a table's name: use at most 48 of a-z, 0-9 and _, not beginning with a digit")
        filters = [self._filter(path, values) for path, values in dict(table.filter).items()]
        groups = [self._group(name, path) for name, path in dict(table.group_by).items()]
        measures = [self._measure(name, what) for name, what in dict(table.measures).items()]
        if not measures:
            self._wrong(("measures",), 'needs at least one, such as { events = "count" }')
        self._check_names([g for g in groups if g], [m for m in measures if m])
        bucket = float(table.bucket)
        if not _SHORTEST <= bucket <= _LONGEST or bucket != int(bucket):
            self._wrong(("bucket",), f"expected whole seconds, from 1 s to 366 d, got {bucket:g} s")
        self._check_zone(table.timezone, bucket)
        if len(self._mistakes) > before:
            return None
        return Summary(
            self._name,
            tuple(table.event_types),
            tuple(f for f in filters if f),
            tuple(g for g in groups if g),
            tuple(m for m in measures if m),
            int(bucket),
            table.timezone,
        )

    def _check_zone(self, name: str, bucket: float) -> None:
        if name == UTC:
            return
        try:
            times.zone(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            close = nearest(name, available_timezones(), 0.6)
            meant = f": did you mean {close!r}?" if close else ', such as "Europe/Berlin"'
            self._wrong(("timezone",), f"there is no time zone {name!r}{meant}")
            return
        if bucket % DAY:
            self._wrong(("timezone",), f"is for buckets of whole days, and bucket is {format_duration(bucket)}")

    def _check_names(self, groups: Sequence[GroupColumn], measures: Sequence[Measure]) -> None:
        taken = {"bucket_start": "the start of the bucket", **dict.fromkeys(_SYSTEM_COLUMNS, "PostgreSQL's own")}
        pairs = [(("group_by", group.name), group.name) for group in groups]
        pairs += [(("measures", m.name), column) for m in measures for column in m.names]
        for path, column in pairs:
            if column in taken:
                self._wrong(path, f"the column {column} is {taken[column]} already")
            taken[column] = ".".join(path)

    def _filter(self, path: str, values: Any) -> EventFilter | None:
        given = list(values) if isinstance(values, list | tuple) else [values]
        field = self._field(path, ("filter", path))
        if field is None:
            return None
        allowed: tuple[type, ...]
        if field.type == "text":
            allowed, what = (str,), "text"
        elif field.type == "boolean":
            allowed, what = (bool,), "true or false"
        elif field.type in ("integer", "bigint"):
            allowed, what = (int,), "integers"
        else:
            self._wrong(("filter", path), "expected a field of text, integers or booleans")
            return None
        limit = 2 ** (31 if field.type == "integer" else 63)
        for value in given:
            mixed = isinstance(value, bool) and bool not in allowed
            if not isinstance(value, allowed) or mixed or (int in allowed and not -limit <= value < limit):
                self._wrong(("filter", path), f"expected {what}, got {value!r}")
                return None
        if not given:
            self._wrong(("filter", path), "expected at least one value")
            return None
        return EventFilter(field, tuple(given))

    def _group(self, name: str, path: Any) -> GroupColumn | None:
        self._check_identifier(("group_by", name), name)
        field = self._field(path, ("group_by", name))
        if field is None:
            return None
        if field.type not in _GROUPABLE:
            self._wrong(("group_by", name), f"{path} is {field.type}: group by text, integers or booleans")
            return None
        return GroupColumn(name, field)

    def _measure(self, name: str, what: Any) -> Measure | None:
        where = ("measures", name)
        self._check_identifier(where, name)
        if what == "count":
            return Measure(name, "count")
        given = dict(what) if not isinstance(what, str) else {}
        given = {key: value for key, value in given.items() if value is not None}
        if len(given) != 1 or next(iter(given)) not in _FUNCTIONS:
            self._wrong(where, f'expected "count" or {{ sum|avg|min|max = "field" }}, got {what!r}')
            return None
        function, path = next(iter(given.items()))
        field = self._field(path, where)
        if field is None:
            return None
        if function in ("min", "max") and field.type == "timestamptz":
            return Measure(name, function, field)
        if field.type not in _NUMBERS:
            wanted = "a number" if function in ("sum", "avg") else "a number, or triggered_at"
            self._wrong(where, f"{function} needs {wanted}, and {path} is {field.type}")
            return None
        kept = EventField(field.path, "numeric") if function in ("sum", "avg") else field
        return Measure(name, function, kept)

    def _field(self, path: Any, where: tuple[str, ...]) -> EventField | None:
        """The field at `path`, which every event type of the summary must have in one type."""
        found: str | None = None
        for event_type in self._table.event_types:
            schema = self._schemas.get(event_type)
            if schema is None:
                continue
            result = lookup(schema, str(path))
            if not isinstance(result, Known):
                self._wrong(where, f"{path} in event type {event_type}: {result.reason}")
                return None
            merged = _wider(found, result.type)
            if merged is None:
                self._wrong(where, f"{path} is {found} in one event type and {result.type} in {event_type}")
                return None
            found = merged
        return None if found is None else EventField(tuple(str(path).split(".")), found)

    def _check_identifier(self, where: tuple[str, ...], name: str) -> None:
        if not _NAME.fullmatch(name):
            self._wrong(where, "becomes a column: use at most 48 of a-z, 0-9 and _, not beginning with a digit")

    def _wrong(self, path: tuple[str, ...], message: str) -> None:
        self._mistakes.append(Mistake(("summaries", self._name, *path), message, code="ETLD-M001"))


def _wider(one: str | None, other: str) -> str | None:
    if one is None or one == other:
        return other
    pair = {one, other}
    for narrow, wide in (("integer", "bigint"), ("real", "double precision")):
        if pair == {narrow, wide}:
            return wide
    return None


def _chart_mistakes(summary: Summary, chart: Any) -> Iterator[Mistake]:
    measures = {measure.name: measure for measure in summary.measures}
    if chart.last is not None and chart.last < summary.bucket:
        yield Mistake(
            ("summaries", summary.name, "chart", "last"),
            "a chart shows at least one bucket, and last is less",
            code="ETLD-M001",
        )
    for i, panel in enumerate(chart.panels):
        at = ("summaries", summary.name, "chart", "panels", i)
        measure = measures.get(panel.value)
        if measure is None:
            continue
        if measure.field and measure.field.type == "timestamptz":
            yield Mistake((*at, "value"), f"{panel.value} is a time, and a chart shows numbers", code="ETLD-M001")
        if PANEL_KINDS[panel.kind].shares and measure.function not in ("count", "sum"):
            yield Mistake(
                (*at, "value"),
                f"a {panel.kind} shows shares of a whole, and {panel.value} is no count or sum",
                code="ETLD-M001",
            )
