"""What is wrong now, read from the daemon's answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.util.text import span, thousands

if TYPE_CHECKING:
    from etld.config.sections.alerts import AlertSection

#: Begins the name of the fault of a webhook that cannot be told; the rest is its name.
WEBHOOK = "webhook "
#: Different texts of one condition that are shown.
_MOST_TEXTS = 3
_DOWN = ("backoff", "fatal")
_SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class AlertCondition:
    """One thing that is wrong, on however many workers. `subject`: "fault", "parked" or "lag"."""

    subject: str
    name: str
    workers: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class DaemonState:
    """The daemon's answers to `status` and `health`."""

    status: Mapping[str, Any]
    health: Mapping[str, Any]

    @property
    def settled(self) -> bool:
        """Is what it tells of itself whole? Not while it starts or ends."""
        return self.status["state"] in ("ready", "degraded")


def conditions(state: DaemonState, alert: AlertSection) -> dict[str, AlertCondition]:
    """All that this webhook is told of, by a key that is the same for the same thing on other workers."""
    found: defaultdict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for subject, name, kind, worker, text in _found(state, alert):
        found[subject, name, kind].append((worker, text))
    return {
        ":".join(key): AlertCondition(key[0], key[1], tuple(sorted({worker for worker, _ in told})), _text(told))
        for key, told in found.items()
    }


def unknown(state: DaemonState) -> frozenset[str]:
    """Subjects of which nothing can be said now: the corrector alone counts parked letters."""
    counted = any(one["kind"] == "corrector" and one["state"] == "running" for one in state.status["workers"])
    return frozenset() if counted else frozenset({"parked"})


def _found(state: DaemonState, alert: AlertSection) -> Iterator[tuple[str, str, str, str, str]]:
    """Subject, name, kind of worker, worker, text."""
    workers = state.status["workers"]
    if alert.faults:
        kinds = {one["name"]: one["kind"] for one in workers}
        for worker, named in state.health["faults"].items():
            for name, text in named.items():
                if name != WEBHOOK + alert.name:
                    yield "fault", name, kinds.get(worker, _SUPERVISOR), worker, text
        for one in workers:
            if one["state"] in _DOWN:
                yield "fault", "down", one["kind"], one["name"], one["last_error"] or f"is {one['state']}"
    parked = state.status["totals"]["parked"]
    if alert.parked and parked > alert.parked:
        text = f"{thousands(parked)} dead letters are parked, more than {thousands(alert.parked)}"
        yield "parked", "parked", "", "", text
    for one in workers:
        if alert.lag and (one["lag_s"] or 0.0) > alert.lag:
            text = f"{span(one['lag_s'])} behind, {thousands(one['lag'] or 0)} events wait"
            yield "lag", "lag", one["kind"], one["name"], text


def _text(told: Iterable[tuple[str, str]]) -> str:
    texts = list(dict.fromkeys(text for _, text in told))
    more = f"; and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
    return "; ".join(texts[:_MOST_TEXTS]) + more
