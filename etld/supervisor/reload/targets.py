"""The workers that somebody names in a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.control.verbs import VerbError

if TYPE_CHECKING:
    from etld.supervisor.slots.machine import WorkerSlot
    from etld.supervisor.slots.table import SlotTable


def find(slots: SlotTable, target: str, *, one_shots: bool = True) -> list[WorkerSlot]:
    """The slots of a kind, a name, or a prefix of names; raises VerbError when there is none."""
    found = [slot for slot in slots.select(target) if one_shots or not slot.one_shot]
    if not found:
        raise unknown(slots, target)
    return found


def unknown(slots: SlotTable, target: str) -> VerbError:
    """Nothing has this name."""
    names = ", ".join(slot.name for slot in slots.wanted() if not slot.one_shot)
    return VerbError("unknown_target", f"{target!r} is no kind, no worker and no prefix of one; there are {names}")
