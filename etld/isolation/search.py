"""Which of some items end the process that works on them: decided by how fresh children end.

Nothing is condemned for the company it was in. Only what ends `EVIDENCE` children in which it is alone, and was let
through by none, is a killer. What somebody else may have done (SIGKILL, SIGTERM) says nothing, until it has happened
`DOUBTS` times in a row to the same item alone, over a minute: what sends itself SIGKILL would stop all behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etld.errors import EtldError
from etld.isolation.program import Ending, Kind
from etld.util.backoff import Backoff

#: So many children, each with one item alone, have to end of it.
EVIDENCE = 3
DOUBTS = 25
#: The class of a dead letter, in place of that of an exception.
ERROR_CLASS = "WORKER_KILLED"
#: Several items together are given this share of the time that one has alone: its end only says where to look.
_GLANCE = 0.25
#: So often items are tried together when somebody else ends that.
_TRIES = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 3.0

#: Tries items: (the items, one by one?, seconds of processor time for a step).
Try = Callable[[Sequence[Any], bool, float], Ending]


class SearchStopped(EtldError):
    """The worker needs the answer no more."""


@dataclass(frozen=True, slots=True)
class Death:
    """An item that ends processes: at which stage, how in words, and how often it did alone."""

    stage: str
    how: str
    times: int

    @property
    def message(self) -> str:
        """For a dead letter."""
        return f"it ends the process that works on it: {self.how}, {self.times} times of {self.times}, each time alone"


@dataclass(frozen=True, slots=True)
class Found:
    """The killers by their index. `apart`: the others pass one by one, and together they do not."""

    deaths: dict[int, Death]
    apart: bool


@dataclass(frozen=True, slots=True)
class Means:
    """What a search needs. `cpu`: seconds of processor time that an item may take by itself.

    `wait` sleeps so many seconds, and raises `SearchStopped`; `tell` is given what stands in the way, None when nothing
    does any more.
    """

    attempt: Try
    wait: Callable[[float], None]
    tell: Callable[[str | None], None]
    cpu: float


def search(items: Sequence[Any], means: Means) -> Found:
    """Find those that end the process that works on them. Raises `SearchStopped`."""
    if not items or _together(items, means, means.cpu * _GLANCE):
        return Found({}, apart=False)
    deaths: dict[int, Death] = {}
    begin = 0
    while begin < len(items):
        ending = _decided(partial(means.attempt, items[begin:], True, means.cpu * _GLANCE), means)
        if ending.kind is Kind.PASSED:
            break
        begin += ending.at
        death = _alone(items[begin], means)
        if death is not None:
            deaths[begin] = death
        begin += 1
    rest = [item for at, item in enumerate(items) if at not in deaths]
    return Found(deaths, apart=bool(rest) and not _together(rest, means, means.cpu * 2))


def _together(items: Sequence[Any], means: Means, cpu: float) -> bool:
    """Do all of them pass in one piece?"""
    for _ in range(_TRIES):
        ending = _decided(lambda: means.attempt(items, False, cpu), means)
        if ending.kind is not Kind.KILLED:
            return ending.kind is Kind.PASSED
    return False


def _decided(attempt: Callable[[], Ending], means: Means) -> Ending:
    """An ending that says something, however long that takes."""
    backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
    while True:
        ending = attempt()
        if ending.kind is not Kind.UNDECIDED:
            means.tell(None)
            return ending
        means.tell(ending.how)
        means.wait(backoff.next())


def _alone(item: Any, means: Means) -> Death | None:
    own = doubts = 0
    backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
    while True:
        ending = _decided(lambda: means.attempt([item], True, means.cpu), means)
        if ending.kind is Kind.PASSED:
            return None
        if ending.kind is Kind.ENDED:
            own += 1
            if own == EVIDENCE:
                return Death(ending.stage, ending.how, own)
            continue
        doubts += 1
        if doubts == DOUBTS:
            return Death(ending.stage, ending.how, doubts)
        means.wait(backoff.next())
