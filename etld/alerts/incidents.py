"""What of all that begins and ends is worth a message: pure, times in seconds since 1970."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.alerts.conditions import AlertCondition

#: What comes so often within `fold` is told, however short it is each time.
_OFTEN = 3


@dataclass(frozen=True, slots=True)
class Incident:
    """One condition over time: how it is, and what was told of it.

    `times`: how often it came since the last message; `changed`: when it last came or went; `since`: when it came first
    since the last message that it is over.
    """

    subject: str
    name: str
    workers: tuple[str, ...] = ()
    text: str = ""
    present: bool = False
    times: int = 0
    changed: float = 0.0
    since: float = 0.0
    is_told: bool = False
    told_at: float = 0.0

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Incident:
        """From `asdict` and JSON."""
        return cls(**{**saved, "workers": tuple(saved["workers"])})


@dataclass(frozen=True, slots=True)
class News:
    """What a message is to say. `what`: "begin", "end", or "folded": it came and went, and is gone.

    `folded`: how often the same thing came besides, since the last message.
    """

    what: str
    key: str
    incident: Incident
    folded: int


@dataclass(frozen=True, slots=True)
class Folding:
    """When to tell: see [[alerts]] after and fold."""

    after: float
    fold: float

    def step(
        self,
        incidents: Mapping[str, Incident],
        seen: Mapping[str, AlertCondition],
        now: float,
        unknown: Collection[str] = (),
    ) -> tuple[dict[str, Incident], list[News]]:
        """The incidents after a look, and what is to be told; of `unknown` subjects nothing was seen."""
        after: dict[str, Incident] = {}
        news: list[News] = []
        for key in sorted(incidents.keys() | seen.keys()):
            before = incidents.get(key)
            if before is not None and before.subject in unknown:
                after[key] = before
                continue
            incident = _looked_at(before, seen.get(key), now)
            one = self._news(key, incident, now)
            if one is not None:
                news.append(one)
                incident = _told(incident, one.what, now)
            if incident.present or incident.is_told or now - max(incident.changed, incident.told_at) < self.fold:
                after[key] = incident
        return after, news

    def _news(self, key: str, incident: Incident, now: float) -> News | None:
        settled = now - incident.changed >= self.after
        may_begin = now - incident.told_at >= self.fold
        if incident.present:
            if not incident.is_told and may_begin and (settled or incident.times >= _OFTEN):
                return News("begin", key, incident, incident.times - 1)
        elif settled and incident.is_told:
            return News("end", key, incident, incident.times)
        elif settled and incident.told_at and incident.times and may_begin:
            return News("folded", key, incident, incident.times)
        return None


def _told(incident: Incident, what: str, now: float) -> Incident:
    if what == "begin":
        return replace(incident, times=0, is_told=True, told_at=now)
    return replace(incident, times=0, is_told=False, workers=(), told_at=now if what == "folded" else incident.told_at)


def _looked_at(before: Incident | None, seen: AlertCondition | None, now: float) -> Incident:
    if before is None:
        assert seen is not None
        before = Incident(seen.subject, seen.name)
    if seen is None:
        return replace(before, present=False, changed=now) if before.present else before
    if not before.present:
        first = not before.times and not before.is_told
        since = now if first else before.since
        before = replace(before, present=True, times=before.times + 1, changed=now, since=since)
    return replace(before, workers=tuple(sorted({*before.workers, *seen.workers})), text=seen.text)


def saved(incidents: Mapping[str, Incident]) -> dict[str, dict[str, Any]]:
    """For JSON."""
    return {key: asdict(incident) for key, incident in incidents.items()}
