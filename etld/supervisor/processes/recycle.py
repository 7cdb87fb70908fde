"""Replacing workers that have grown too large, or served long enough: gently, and one of a kind at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.supervisor.processes.spawn import resident
from etld.supervisor.slots.machine import Slot, State

if TYPE_CHECKING:
    from etld.supervisor.processes.tree import Tree


def measure(tree: Tree, limit: int, events: int, now: float) -> None:
    """Look at every worker, once a second; `limit` is bytes, `events` a number (0: never)."""
    for process in tree.processes.values():
        process.flood_bytes = process.flood_messages = 0
    for slot in sorted(tree.slots.values(), key=lambda slot: slot.spawned):  # the oldest has its turn first
        if slot.pid is None or slot.pid not in tree.processes:
            continue
        size = tree.memory[slot.name] = resident(slot.pid)
        if tree.kinds[slot.kind].embedded:
            continue
        if limit and size > 2 * limit:  # no time for a gentle end
            tree.end(slot, now, f"took {size >> 20} MiB of memory")
            continue
        why = _outgrown(tree, slot, size, limit, events)
        if why and slot.state is State.RUNNING and now >= slot.not_before and not _changing(tree, slot.kind):
            tree.renew(slot.name, now, why)


def _outgrown(tree: Tree, slot: Slot, size: int, limit: int, events: int) -> str:
    if limit and size > limit:
        return f"took {size >> 20} MiB of memory"
    account = tree.ledger.account(slot.pid)
    if events and account is not None and account.events >= events:
        return f"served {account.events} events"
    return ""


def _changing(tree: Tree, kind: str) -> bool:
    """Is one of this kind on its way down or up? One that was given up is not waited for."""
    siblings = (slot for slot in tree.slots.values() if slot.kind == kind and slot.wanted)
    return any(not slot.settled and slot.state is not State.FATAL for slot in siblings) or any(
        tree.processes[pid].kind == kind for pid in tree.retiring if pid in tree.processes
    )
