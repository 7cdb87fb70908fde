"""Workers: how each is, and what can be done with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from etld.console.asked import BadValue
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.control.log_source import LEVELS
from etld.errors import EtldError
from etld.postgres import hosts
from etld.postgres.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

#: Kinds whose number can be changed, and kinds that can be told to stand still.
_SCALABLE = ("ingest", "processor", "aggregator", "corrector")
_LINES, _LEVEL = 60, "info"
#: Seconds.
_DRAIN_WITHIN = 300.0
_TARGET = Field("target", "A worker's name, a kind, or a prefix such as processor-purchase.", required=True)


def _data(sources: Sources, view: View) -> dict[str, Any]:
    status = sources.status()
    kind = view.values.get("kind", "")
    shown = [_worker(one, status["faults"]) for one in status["workers"] if kind in ("", one["kind"])]
    return {
        **_log(sources, view),
        "state": status["state"],
        "operation": status["operation"],
        "last_operation": status["last_operation"],
        "workers": shown,
        "kinds": sorted({one["kind"] for one in status["workers"]}),
        "groups": _groups(status["workers"]),
        "faults": status["faults"],
        "hosts": _hosts(sources),
    }


def _hosts(sources: Sources) -> list[dict[str, Any]]:
    """All hosts of the database; none while it is away, or when this is the only one."""
    try:
        with sources.reading() as conn:
            found = hosts.read(conn)
    except DatabaseError:
        return []
    return [one.as_json() for one in found] if len(found) > 1 else []


def _log(sources: Sources, view: View) -> dict[str, Any]:
    """Errors in it say what they found, which is a part of events: not for everybody."""
    level = view.values.get("level", _LEVEL)
    if level not in LEVELS:
        raise BadValue(texts()["workers"]["bad_level"].format(levels=", ".join(LEVELS)))
    told: dict[str, Any] = {"levels": LEVELS, "level": level, "log": [], "log_problem": None}
    if not view.payloads:
        return {**told, "log_problem": texts()["workers"]["log_hidden"]}
    try:
        return {**told, "log": sources.log(_LINES, view.values.get("kind", ""), level)}
    except EtldError as error:
        return {**told, "log_problem": str(error)}


def _worker(worker: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    name = worker["name"]
    return {
        **worker,
        "faults": [text.removeprefix(f"{name}: ") for text in faults if text.startswith((f"{name}: ", f"{name} "))],
        "can_pause": worker["kind"] in _SCALABLE,
    }


def _groups(workers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What can be scaled, with how many there are."""
    counts: dict[str, int] = {}
    for worker in workers:
        if worker["kind"] in _SCALABLE:
            group = worker["name"].rpartition("-")[0]
            counts[group] = counts.get(group, 0) + 1
    return [{"name": name, "count": count} for name, count in sorted(counts.items())]


def _tell(verb: str, sources: Sources, values: Values, _user: User) -> str:
    done = sources.ask(verb, timeout=None, target=values["target"])
    names = done.get("workers", [values["target"]])
    return str(texts()["workers"]["did"][verb].format(names=", ".join(names)))


def _scale(sources: Sources, values: Values, _user: User) -> str:
    sources.ask("scale", timeout=None, target=values["target"], count=int(values["count"]))
    return str(texts()["workers"]["did"]["scale"].format(**values))


def _whole(verb: str, sources: Sources, _values: Values, _user: User) -> str:
    """What the daemon does as a whole."""
    limits = {"within": _DRAIN_WITHIN} if verb == "drain" else {}
    told = sources.ask(verb, timeout=None, **limits)
    return str(texts()["workers"]["whole"][verb].format(what=told.get("cancelled", "")))


PAGE = Page(
    name="workers",
    path="/workers",
    description="Workers with their state, memory and restarts.",
    data=_data,
    fields=(
        Field("kind", "Only workers of this kind, and lines of theirs."),
        Field("level", f"Only lines of the log of this level or worse: {', '.join(LEVELS)}; else {_LEVEL}."),
    ),
    actions=(
        PageAction("restart", "operator", "Replace workers one by one.", partial(_tell, "restart"), (_TARGET,)),
        PageAction("pause", "operator", "Let workers stand still.", partial(_tell, "pause"), (_TARGET,)),
        PageAction("resume", "operator", "Let paused workers go on.", partial(_tell, "resume"), (_TARGET,)),
        PageAction(
            "scale",
            "operator",
            "Change how many workers of a kind run, until the daemon stops.",
            _scale,
            (_TARGET, Field("count", "How many.", required=True, integer=True, most=64)),
        ),
        PageAction(
            "drain",
            "operator",
            "Refuse new events, and finish what is under way; ingest stays paused.",
            partial(_whole, "drain"),
            (REASON,),
        ),
        PageAction(
            "cancel",
            "operator",
            "End the reload, restart, scaling or drain that is under way.",
            partial(_whole, "cancel"),
        ),
        PageAction(
            "restart-all",
            "admin",
            "Become the program that is installed now, and replace every worker but the embedded parts.",
            partial(_whole, "restart"),
            (REASON,),
        ),
    ),
    live=True,
    key="w",
)
