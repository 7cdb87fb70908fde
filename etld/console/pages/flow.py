"""What flows, and what is broken: from HTTP through Kafka to rows, summaries and letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.console.page import Page, PageAction
from etld.console.render import texts

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

#: From well to broken: a stage is as its worst worker.
_STATES = ("running", "done", "starting", "stopping", "paused", "backoff", "fatal")


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way: its workers' kind, and which totals are told there."""

    name: str
    kind: str
    totals: tuple[str, ...]


_STAGES = (
    Stage("http", "ingest", ("accepted", "rejected")),
    Stage("kafka", "embedded-kafka", ()),
    Stage("rows", "processor", ("stored", "duplicate")),
    Stage("summaries", "aggregator", ()),
    Stage("letters", "corrector", ("dead", "repaired", "parked")),
)


def _data(sources: Sources, _view: View) -> dict[str, Any]:
    status = sources.status()
    workers, totals = status["workers"], status["totals"]
    stages = [_stage(stage, workers, status["faults"], totals, sources) for stage in _STAGES]
    # What waits in Kafka is what the processors have not stored, and rows come from there as fast as they are read.
    kafka = stages[1]
    kafka["lag"], kafka["rate"] = stages[2]["lag"], stages[0]["rate"]
    return {
        "state": status["state"],
        "uptime_s": status["uptime_s"],
        "version": status["version"],
        "addresses": status["addresses"],
        "operation": status["operation"],
        "totals": totals,
        "stages": stages,
        "latency": sources.history.latency(),
        "faults": status["faults"],
        "explain": status["explain"],
        "verdict": sources.verdict.last,
        "comparing": sources.verdict.under_way,
    }


def _stage(
    stage: Stage,
    workers: Sequence[Mapping[str, Any]],
    faults: Sequence[str],
    totals: Mapping[str, int],
    sources: Sources,
) -> dict[str, Any]:
    own = [worker for worker in workers if worker["kind"] == stage.kind]
    names = [worker["name"] for worker in own]
    wrong = [text for text in faults if any(text.startswith((f"{name}:", f"{name} ")) for name in names)]
    lags = [worker["lag"] for worker in own if worker["lag"] is not None]
    return {
        "name": stage.name,
        "state": worst([worker["state"] for worker in own]),
        "workers": len(own),
        "rate": round(sum(worker["rate"] for worker in own), 1),
        "lag": sum(lags) if lags else None,
        "faults": wrong,
        "totals": {name: totals.get(name, 0) for name in stage.totals},
        "history": sources.history.rates("ingest" if stage.name == "kafka" else stage.kind),
    }


def worst(states: Sequence[str]) -> str | None:
    """The state that says most of what is wrong; None without a worker."""
    return max(states, key=lambda state: _STATES.index(state) if state in _STATES else len(_STATES), default=None)


def _compare(sources: Sources, _values: Values, _user: User) -> str:
    found = sources.verdict.compare()
    told = texts()["flow"]
    return str(told["adds_up"] if found["ok"] else told["differs"].format(count=len(found["differences"])))


PAGE = Page(
    name="flow",
    path="/",
    description="The way of events, with rate, lag and faults at each stage, totals and latency.",
    data=_data,
    actions=(
        PageAction(
            "compare", "operator", "Compare topics, table, dead letters and summaries, as etld reconcile.", _compare
        ),
    ),
    live=True,
    key="f",
)
