"""Which of some items end the process that works on them: decided by how fresh children end.

Nothing is condemned for the company it was in. Only what ends `EVIDENCE` children in which it is alone, and was let
through by none, is a killer. What somebody else may have done (SIGKILL, SIGTERM) says nothing, until it has happened
`DOUBTS` times in a row to the same item alone, over a minute: what sends itself SIGKILL would stop all behind it. What
goes beyond a limit of ours is a killer when a neighbour stays within it; else it is tried with more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etld.errors import EtldError
from etld.isolation.program import Ending, Kind, Limit
from etld.util.backoff import Backoff

#: So many children, each with one item alone, have to end of it.
EVIDENCE = 3
DOUBTS = 25
#: The class of a dead letter, in place of that of an exception.
ERROR_CLASS = "WORKER_KILLED"
#: Several items together are given this share of the time that one has alone: its end only says where to look.
_GLANCE = 0.25
#: So much more time where the neighbours need more too: something is loaded at the first call, say.
_MORE = 8
#: So often items are tried together when somebody else ends that.
_TRIES = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 3.0

#: Tries items: (the items, one by one?, seconds of processor time for a step).
Try = Callable[[Sequence[Any], bool, float], Ending]


class SearchStopped(EtldError):
    """The worker needs the answer no more."""

    code = "ETLD-W011"


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
    does any more. `sample`: an item that was worked on before, which may serve as a neighbour. `condemn` is told of
    each killer at once. `together`: does it matter whether those that pass one by one do so in one piece?
    """

    attempt: Try
    wait: Callable[[float], None]
    tell: Callable[[str | None], None]
    cpu: float
    sample: Any = None
    condemn: Callable[[int, Death], None] = lambda _at, _death: None
    together: bool = True


def search(items: Sequence[Any], means: Means) -> Found:
    """Find those that end the process that works on them. Raises `SearchStopped`."""
    return _Search(items, means).run()


class _Search:
    def __init__(self, items: Sequence[Any], means: Means) -> None:
        self._items = items
        self._means = means
        self._deaths: dict[int, Death] = {}
        self._cpu = means.cpu
        #: An item has passed alone within these limits.
        self._is_fair = False

    def run(self) -> Found:
        if not self._items or self._together(self._items, _GLANCE):
            return Found({}, apart=False)
        begin = 0
        while begin < len(self._items):
            ending = self._decided(self._items[begin:], each=True, share=_GLANCE)
            if ending.kind is Kind.PASSED:
                break
            begin += ending.at
            death = self._alone(begin)
            if death is not None:
                self._deaths[begin] = death
                self._means.condemn(begin, death)
            begin += 1
        rest = [item for at, item in enumerate(self._items) if at not in self._deaths]
        return Found(self._deaths, apart=self._means.together and bool(rest) and not self._together(rest, 2))

    def _together(self, items: Sequence[Any], share: float) -> bool:
        """Do all of them pass in one piece?"""
        for _ in range(_TRIES):
            ending = self._decided(items, each=False, share=share)
            if ending.kind is not Kind.KILLED:
                return ending.kind is Kind.PASSED
        return False

    def _alone(self, at: int) -> Death | None:
        own = doubts = 0
        needed = EVIDENCE
        backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        while True:
            ending = self._decided([self._items[at]], each=True)
            if ending.kind is Kind.PASSED:
                self._is_fair = True
                return None
            own += ending.kind is Kind.ENDED
            doubts += ending.kind is Kind.KILLED
            if own >= needed and (needed > EVIDENCE or ending.limit is Limit.NONE or self._neighbour_passes(at)):
                return Death(ending.stage, ending.how, own)
            if own == needed == EVIDENCE:
                needed = DOUBTS if ending.limit is Limit.WAITING else 2 * EVIDENCE
                self._cpu = _MORE * self._means.cpu
            if doubts == DOUBTS:
                return Death(ending.stage, ending.how, doubts)
            if ending.kind is Kind.KILLED or needed == DOUBTS:
                self._means.wait(backoff.next())

    def _neighbour_passes(self, at: int) -> bool:
        """Does another one stay within the limits, alone as this one was?"""
        near = [i for i in (at - 1, at + 1, at - 2, at + 2) if 0 <= i < len(self._items) and i not in self._deaths]
        others = [self._items[i] for i in near] + ([self._means.sample] if self._means.sample is not None else [])
        for other in others:
            if self._is_fair:
                break
            self._is_fair = self._decided([other], each=True).kind is Kind.PASSED
        return self._is_fair

    def _decided(self, items: Sequence[Any], *, each: bool, share: float = 1.0) -> Ending:
        """An ending that says something, however long that takes."""
        backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        attempt = partial(self._means.attempt, items, each, share * self._cpu)
        while True:
            ending = attempt()
            if ending.kind is not Kind.UNDECIDED:
                self._means.tell(None)
                return ending
            self._means.tell(ending.how)
            self._means.wait(backoff.next())
