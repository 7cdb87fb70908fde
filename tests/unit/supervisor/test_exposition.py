"""However many scrape, the metrics are made once a second."""

from __future__ import annotations

import time
import zlib

import pytest

from etld.supervisor.observe.exposition import SharedExposition


class Render:
    """Takes `cost` seconds of a clock that stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float = 0.0) -> None:
        self.now = 100.0
        self.times = 0
        self.cost = cost
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def __call__(self) -> str:
        self.times += 1
        self.now += self.cost
        return f"# {self.times}\n"


def test_it_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    render = Render(monkeypatch)
    shared = SharedExposition(render)
    seen = []
    for _ in range(32):
        text, fresh = shared.packed()
        assert 0 < fresh <= 1
        seen.append(zlib.decompress(text).decode())
        render.now += 0.125
    assert render.times == 4
    assert [seen.count(text) for text in dict.fromkeys(seen)] == [8, 8, 8, 8]


def test_one_that_takes_long_is_good_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    render = Render(monkeypatch, cost=2.0)
    shared = SharedExposition(render)
    began = render.now
    while render.now < began + 400:
        shared.packed()
        render.now += 0.5
    assert render.times * render.cost < 0.06 * 400
