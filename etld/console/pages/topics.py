"""Topics: partitions, how far each has been read, and those that stand still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.names import PROCESSOR
from etld.console.asked import NotThere
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.kafka.errors import KafkaProblem
from etld.reconcile.positions import read_positions

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources
    from etld.kafka.types import Watermarks
    from etld.reconcile.positions import PositionCounts


def _data(sources: Sources, view: View) -> dict[str, Any]:
    config = sources.config
    types = {kind.topic: name for name, kind in config.event_types.items()}
    names = [*types, config.kafka.dead_letter_topic, config.kafka.parked_topic]
    wanted = view.values.get("topic", "")
    if wanted and wanted not in names:
        raise NotThere(texts()["topics"]["empty"])
    away = None
    marks: dict[str, dict[int, Watermarks]] = {}
    positions: list[PositionCounts] = []
    try:
        cluster = sources.cluster_id()
        with sources.reading() as conn:
            positions = read_positions(conn, cluster)
        for topic in sources.admin().topics(names).values():
            marks[topic.name] = sources.admin().watermarks(topic.name, range(topic.partitions))
    except KafkaProblem as error:
        away = str(error)
    topics = [_topic(name, types.get(name), positions, marks.get(name, {})) for name in names if wanted in ("", name)]
    return {"topics": topics, "names": names, "types": sorted(config.event_types), "kafka": away}


def _topic(
    name: str, event_type: str | None, positions: list[PositionCounts], marks: dict[int, Watermarks]
) -> dict[str, Any]:
    readers: dict[str, list[dict[str, Any]]] = {}
    for one in positions:
        if one.topic == name:
            readers.setdefault(one.consumer_group, []).append(_position(one, marks.get(one.partition)))
    own = [row for rows in readers.values() for row in rows]
    return {
        "name": name,
        "event_type": event_type,
        "partitions": len(marks) or len({row["partition"] for row in own}),
        "records": sum(high - low for low, high in marks.values()) if marks else None,
        "halted": sum(1 for row in own if row["halted"]),
        "readers": [{"group": group, "lag": _sum(rows), "partitions": rows} for group, rows in sorted(readers.items())],
    }


def _position(one: PositionCounts, mark: Watermarks | None) -> dict[str, Any]:
    return {
        "partition": one.partition,
        "low": mark.low if mark else None,
        "high": mark.high if mark else None,
        "next": one.next_offset,
        # A position of an earlier life of the topic may lie beyond its end.
        "lag": max(0, mark.high - max(one.next_offset, mark.low)) if mark else None,
        "consumed": one.consumed,
        "stored": one.stored,
        "duplicate": one.duplicate,
        "filtered": one.filtered,
        "dead": one.dead,
        "gaps": one.gaps,
        "lost": one.lost,
        "halted": one.halted,
    }


def _sum(rows: list[dict[str, Any]]) -> int | None:
    lags = [row["lag"] for row in rows if row["lag"] is not None]
    return sum(lags) if lags else None


def _resume(sources: Sources, values: Values, _user: User) -> str:
    from etld.reconcile.resume_from_low import resume_from_low  # which loads much, and few need it

    where = ":".join(values[name] for name in ("topic", "partition") if name in values)
    with sources.connection() as conn:
        done = resume_from_low(conn, sources.kafka_settings(), where)
    told = texts()["topics"]
    lines = []
    for one in done:
        named = {"place": str(one.partition), "group": one.group, "low": one.low, "lost": one.lost}
        lines.append(told["gone" if one.low is None else "resumed"].format(**named))
    for group in sorted({one.group for one in done}):
        # The workers of a group are called as it is.
        prefix = PROCESSOR.removesuffix("processor-")
        sources.ask("resume", target=group.removeprefix(prefix))
    return " ".join(lines)


def _rewind(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "rewind", "processor", f"--to={values['since']}", "--", values["type"])


def _rebuild(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "rebuild", f"--from={values['since']}", "--", values["type"])


def _cancel_rebuild(sources: Sources, _values: Values, user: User) -> str:
    return sources.command(user, "rebuild", "--cancel")


def _drop_replaced(sources: Sources, _values: Values, user: User) -> str:
    return sources.command(user, "rebuild", "--drop-replaced")


_AGAIN = (
    Field("type", "The event type.", required=True),
    Field("since", "earliest, or a time such as 2026-07-01T12:00Z.", required=True),
    REASON,
)

PAGE = Page(
    name="topics",
    path="/topics",
    description="Topics with their partitions, positions and lag.",
    data=_data,
    fields=(Field("topic", "Only this topic."),),
    actions=(
        PageAction(
            "resume",
            "operator",
            "Let halted partitions go on from the lowest offset that is left; what is gone is given up.",
            _resume,
            (
                Field("topic", "The topic.", required=True),
                Field("partition", "Only this partition.", integer=True),
                REASON,
            ),
        ),
        PageAction("rewind", "operator", "Have a processor read again what it has passed.", _rewind, _AGAIN),
        PageAction(
            "rebuild", "admin", "Read an event type again into a shadow that replaces its rows.", _rebuild, _AGAIN
        ),
        PageAction(
            "cancel-rebuild",
            "admin",
            "Give the rebuild up that is under way; the table stays.",
            _cancel_rebuild,
        ),
        PageAction(
            "drop-replaced", "admin", "Drop the rows that rebuilds have replaced, for good.", _drop_replaced, (REASON,)
        ),
    ),
    live=True,
    key="t",
)
