"""Nobody can take all."""

from __future__ import annotations

import pytest

from etld.util.fair_share import FairShare


def fill(share: FairShare[str], holder: str) -> int:
    """Take one by one, until there is no more for this one; how many it has."""
    while share.take(holder, 1):
        pass
    return share.held(holder)


def test_one_alone_gets_half_and_whoever_comes_finds_some() -> None:
    share = FairShare[str](64)
    assert [fill(share, holder) for holder in "abcd"] == [32, 16, 8, 4]
    assert share.taken == 60


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_those_that_take_in_turn_have_equal_parts(count: int) -> None:
    share = FairShare[int](840)
    for _ in range(840):
        for holder in range(count):
            share.take(holder, 1)
    assert {share.held(holder) for holder in range(count)} <= {840 // (count + 1), 840 // (count + 1) - 1}


def test_what_is_given_back_is_there_again() -> None:
    share = FairShare[str](10)
    assert share.take("a", 5)
    assert not share.take("a", 1)
    assert share.take("b", 2)
    share.give_back("a", 5)
    share.give_back("b", 2)
    assert (share.taken, share.held("a"), share.held("b")) == (0, 0, 0)
    assert not share.take("a", 6)
    assert share.take("a", 5)
