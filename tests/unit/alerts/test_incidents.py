"""What is told of what begins and ends."""

from __future__ import annotations

import itertools
import json

from etld.alerts.conditions import AlertCondition
from etld.alerts.incidents import Folding, Incident, saved

BEGAN = 1_700_000_000.0


class Story:
    """A look a second; `told` has the second and what was said."""

    def __init__(self, after: float = 10.0, fold: float = 300.0) -> None:
        self.folding = Folding(after, fold)
        self.incidents: dict[str, Incident] = {}
        self.now = BEGAN
        self.told: list[tuple[int, str, int]] = []
        self.workers: list[tuple[str, ...]] = []

    def go(self, seconds: int, *workers: str, unknown: tuple[str, ...] = ()) -> Story:
        """Pass the time with a fault on these workers."""
        seen = {"fault:kafka": AlertCondition("fault", "kafka", workers, "no broker")} if workers else {}
        for _ in range(seconds):
            restored = {
                key: Incident.restored(one) for key, one in json.loads(json.dumps(saved(self.incidents))).items()
            }
            self.incidents, news = self.folding.step(restored, seen, self.now, unknown)
            self.told += [(int(self.now - BEGAN), one.what, one.folded) for one in news]
            self.workers += [one.incident.workers for one in news]
            self.now += 1.0
        return self


def test_a_begin_and_an_end() -> None:
    """Of however many workers, once each; with those that came later."""
    story = Story().go(5, "a").go(60, "a", "b").go(60, "c").go(400)
    assert story.told == [(10, "begin", 0), (135, "end", 0)]
    assert story.workers == [("a", "b"), ("a", "b", "c")]
    assert story.incidents == {}


def test_what_is_short_is_not_told() -> None:
    assert Story().go(9, "a").go(1000).told == []


def test_what_is_short_and_comes_again_is_told() -> None:
    """Never there for long, but there again and again: one message, and one when it is over."""
    story = Story()
    for _ in range(20):
        story.go(5, "a").go(5)
    assert story.told == [(20, "begin", 2)]
    story.go(60)
    assert story.told[1:] == [(205, "end", 17)]


def test_what_flaps_is_folded() -> None:
    """Two messages in `fold`, whatever it does meanwhile, and the next ones say how often it came."""
    story = Story()
    for _ in range(30):
        story.go(20, "a").go(20)
    story.go(1000)
    begins = [at for at, what, _ in story.told if what == "begin"]
    assert all(later - earlier >= 300 for earlier, later in itertools.pairwise(begins)), story.told
    assert story.told[:3] == [(10, "begin", 0), (30, "end", 0), (310, "folded", 7)]
    assert sum(folded + (what == "begin") for _, what, folded in story.told) == 30
    assert story.told[-1][1] in ("end", "folded")
    assert len(story.told) <= 11


def test_what_came_again_and_went_is_summed_up() -> None:
    """It is over by the time that it may be told: one line says so."""
    story = Story().go(20, "a").go(30).go(20, "a").go(30).go(20, "a").go(600)
    assert story.told == [(10, "begin", 0), (30, "end", 0), (310, "folded", 2)]
    assert story.go(5, "a").go(600).told[3:] == []


def test_what_nobody_knows_changes_nothing() -> None:
    story = Story().go(30, "a").go(100, unknown=("fault",)).go(5, "a").go(30)
    assert [what for _, what, _ in story.told] == ["begin", "end"]
    assert story.told[1][0] == 145
