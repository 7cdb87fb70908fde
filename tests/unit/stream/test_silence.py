"""A consumer that hands out nothing of what is there is told from one whose partitions are held back."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from etld.kafka.errors import ConsumerBroken
from etld.kafka.types import Partition
from etld.stream import Timings
from etld.stream.batch import Owned
from etld.stream.silence import Silence

HERE = Partition("event_order", 0)
OWNED = {HERE: Owned("id", 1, 5)}


def test_what_was_held_back_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment that it is let go."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    consumer: Any = SimpleNamespace(broker_problem=None)
    admin: Any = SimpleNamespace(ends=lambda partitions, timeout: dict.fromkeys(partitions, 9))
    silence = Silence(consumer, admin, Timings(probe_every=1.0, stalled_after=30.0))
    for _ in range(60):
        now[0] += 1.0
        silence.look(OWNED, {HERE})
    for _ in range(29):
        now[0] += 1.0
        silence.look(OWNED, set())
    now[0] += 1.0
    with pytest.raises(ConsumerBroken, match="was read to 5 and ends at 9, and nothing came for 30 s"):
        silence.look(OWNED, set())
