"""Histories of a slot, for the tests of the pure slot machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from etld.supervisor.slots import machine
from etld.supervisor.slots.machine import Action, Patience, SlotState, WorkerSlot

PATIENCE = Patience(
    start_seconds=5.0, max_failures=3, backoff_first=1.0, backoff_max=3.0, hang=10.0, first_word=3.0, dump=2.0
)
#: (time, what happens, the state after it, what tick() then wants)
Step = tuple[float, Callable[[WorkerSlot, float], WorkerSlot], SlotState, Action | None]


def live(history: Sequence[Step], **slot: Any) -> WorkerSlot:
    """Run a history on a slot, checking it after each step."""
    now_slot = WorkerSlot("w-0", "w", loads=True, **slot)
    for number, (now, event, state, action) in enumerate(history):
        now_slot = event(now_slot, now)
        now_slot, wanted = machine.tick(now_slot, now, PATIENCE)
        assert (now_slot.state, wanted) == (state, action), f"step {number} at {now} s: {now_slot}"
    return now_slot
