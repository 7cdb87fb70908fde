"""Replacing workers that have grown too large, or served long enough: gently, and one of a kind at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.supervisor.processes.spawn import resident
from etld.supervisor.slots.machine import SlotState, WorkerSlot

if TYPE_CHECKING:
    from etld.supervisor.processes.tree import ProcessTree


def measure(tree: ProcessTree, limit: int, events: int, now: float) -> None:
    """Look at every worker, once a second; `limit` is bytes, `events` a number (0: never)."""
    for child in tree.children:
        child.sent_bytes = child.sent_messages = 0
    for slot in sorted(tree.slots, key=lambda slot: slot.spawned):  # the oldest has its turn first
        process = tree.children.get(slot.pid)
        if process is None:
            continue
        size = process.memory = resident(process.pid)
        if tree.kinds[slot.kind].embedded:
            continue
        if limit and size > 2 * limit:  # no time for a gentle end
            tree.kill(slot, now, f"took {size >> 20} MiB of memory")
            continue
        why = _outgrown(tree, slot, size, limit, events)
        if why and slot.state is SlotState.RUNNING and now >= slot.not_before and not _changing(tree, slot.kind):
            tree.renew(slot.name, now, why)


def _outgrown(tree: ProcessTree, slot: WorkerSlot, size: int, limit: int, events: int) -> str:
    if limit and size > limit:
        return f"took {size >> 20} MiB of memory"
    account = tree.metrics.account(slot.pid)
    if events and account is not None and account.events >= events:
        return f"served {account.events} events"
    return ""


def _changing(tree: ProcessTree, kind: str) -> bool:
    """Is one of this kind on its way down or up? One that was given up is not waited for."""
    siblings = [slot for slot in tree.slots.wanted() if slot.kind == kind]
    return any(not slot.settled and slot.state is not SlotState.FATAL for slot in siblings) or any(
        process.kind == kind and process.pid in tree.retiring for process in tree.children
    )
