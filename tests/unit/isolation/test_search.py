"""Which items end a process, decided by how children end: the innocent stay innocent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.isolation.program import Ending, Kind, Limit
from etld.isolation.search import DOUBTS, EVIDENCE, Found, Means, SearchStopped, search

PASSED = Ending(Kind.PASSED)


class Children:
    """Items "k…" end the child that has them; `shoot` says whether somebody from outside ends it first."""

    def __init__(self, shoot: Callable[[], bool] = lambda: False, kind: Kind = Kind.ENDED) -> None:
        self.shoot, self.kind = shoot, kind
        self.alone: dict[str, int] = {}
        self.waits = 0
        self.told: list[str | None] = []

    def attempt(self, items: Sequence[Any], each: bool, cpu: float) -> Ending:
        if each and len(items) == 1:
            self.alone[items[0]] = self.alone.get(items[0], 0) + 1
        for at, item in enumerate(items):
            if self.shoot():
                return Ending(Kind.KILLED, "killed by SIGKILL", at if each else 0)
            if item.startswith("k"):
                return Ending(self.kind, "killed by SIGSEGV", at if each else 0, "TRANSFORM")
        return PASSED

    def means(self) -> Means:
        return Means(self.attempt, self.wait, self.told.append, 2.0)

    def wait(self, seconds: float) -> None:
        self.waits += 1
        if self.waits > 10_000:
            raise SearchStopped


@given(st.lists(st.sampled_from("abk"), max_size=40), st.floats(0, 0.6), st.integers())
def test_exactly_the_killers_are_found(items: list[str], rate: float, seed: int) -> None:
    """However many children are shot from outside meanwhile."""
    shots = random.Random(seed)
    children = Children(lambda: shots.random() < rate)
    found = search(items, children.means())
    assert set(found.deaths) == {at for at, item in enumerate(items) if item == "k"}
    assert not found.apart or rate
    for death in found.deaths.values():
        assert (death.stage, death.how, death.times) == ("TRANSFORM", "killed by SIGSEGV", EVIDENCE)


def test_good_items_cost_one_child() -> None:
    """All of them together."""
    children = Children()
    assert search(["a"] * 100, children.means()) == Found({}, apart=False)
    assert children.alone == {}


def test_only_what_ended_a_child_is_tried_alone() -> None:
    """However many good ones stand around it; and each killer is told as it is found."""
    children, told = Children(), []
    items = ["a"] * 50 + ["k"] + ["b"] * 50 + ["k2"] + ["c"] * 50
    means = replace(children.means(), condemn=lambda at, _death: told.append(at))
    assert set(search(items, means).deaths) == {50, 101}
    assert children.alone == {"k": EVIDENCE, "k2": EVIDENCE}
    assert told == [50, 101]


def test_two_ends_condemn_nobody() -> None:
    """The third time it is let through."""
    ends = iter([Kind.ENDED, Kind.ENDED, Kind.ENDED, Kind.ENDED, Kind.PASSED, Kind.PASSED, Kind.PASSED])
    means = Means(lambda *_: Ending(next(ends)), lambda _: None, lambda _: None, 1.0)
    assert search(["a"], means).deaths == {}


def test_what_is_killed_from_outside_again_and_again() -> None:
    """Says nothing for a minute; whatever is let through once is innocent, and else it would stand for ever."""
    shot = iter([True] * (DOUBTS + 1) + [False] * 10)
    assert search(["a"], Children(lambda: next(shot)).means()).deaths == {}
    children = Children(kind=Kind.KILLED)
    (death,) = search(["a", "k"], children.means()).deaths.values()
    assert death.times == DOUBTS
    assert children.waits == DOUBTS - 1


def test_what_cannot_be_told_is_waited_for() -> None:
    """A registry that is away condemns nobody, and is told."""
    endings = iter([Ending(Kind.UNDECIDED, "the registry is away")] * 5 + [PASSED])
    told: list[str | None] = []
    waits: list[float] = []
    means = Means(lambda *_: next(endings), waits.append, told.append, 1.0)
    assert search(["a"], means) == Found({}, apart=False)
    assert told == ["the registry is away"] * 5 + [None]
    assert len(waits) == 5


def test_items_that_end_a_process_together_only() -> None:
    """Are no killers: the worker has them one by one."""

    def attempt(items: Sequence[Any], each: bool, _cpu: float) -> Ending:
        return PASSED if each else Ending(Kind.ENDED, "killed by SIGABRT")

    means = Means(attempt, lambda _: None, lambda _: None, 1.0)
    assert search(["a", "b"], means) == Found({}, apart=True)
    assert search(["a", "b"], replace(means, together=False)) == Found({}, apart=False), "where it does not matter"


def test_a_search_that_is_stopped() -> None:
    """At the next pause."""

    def wait(_seconds: float) -> None:
        raise SearchStopped

    with pytest.raises(SearchStopped):
        search(["a"], Means(lambda *_: Ending(Kind.UNDECIDED, "away"), wait, lambda _: None, 1.0))


def limited(needs: dict[str, float], limit: Limit = Limit.CPU) -> tuple[Means, list[str]]:
    """Children that end when an item needs more seconds than it is given; and the items that were tried alone."""
    alone: list[str] = []

    def attempt(items: Sequence[Any], each: bool, cpu: float) -> Ending:
        alone.extend(items if len(items) == 1 and each else [])
        for at, item in enumerate(items):
            if needs.get(item, 0.001) > cpu:
                return Ending(Kind.ENDED, "took more", at if each else 0, limit=limit)
        return PASSED

    return Means(attempt, lambda _: None, lambda _: None, 1.0), alone


@pytest.mark.parametrize("limit", [Limit.CPU, Limit.MEMORY, Limit.WAITING])
def test_beyond_a_limit_that_a_neighbour_keeps(limit: Limit) -> None:
    """That one is a killer, and the neighbour was tried as it was."""
    means, alone = limited({"loop": 1e9}, limit)
    assert set(search(["a", "b", "loop", "c"], means).deaths) == {2}
    assert alone.count("loop") == EVIDENCE
    assert "b" in alone


def test_a_limit_that_is_too_narrow_for_all_condemns_nobody() -> None:
    """As where the first call in a process loads something for three seconds."""
    means, _ = limited(dict.fromkeys("abc", 3.0))
    assert search(list("abc"), means) == Found({}, apart=False)


@pytest.mark.parametrize(("limit", "times"), [(Limit.CPU, 2 * EVIDENCE), (Limit.WAITING, DOUBTS)])
def test_beyond_a_limit_without_a_neighbour(limit: Limit, times: int) -> None:
    """It is tried with more, and more often; a value that passed before serves as well."""
    means, alone = limited({"loop": 1e9}, limit)
    (death,) = search(["loop"], means).deaths.values()
    assert (death.times, len(alone)) == (times, times + 1)
    means, _ = limited({"loop": 1e9}, limit)
    (death,) = search(["loop"], replace(means, sample="a")).deaths.values()
    assert death.times == EVIDENCE
