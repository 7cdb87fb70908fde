"""Pure decisions over all slots: who may start, whose turn it is to stop, how the daemon is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from etld.explain import code_of
from etld.supervisor.slots import machine
from etld.supervisor.slots.machine import SlotState, WorkerSlot

#: Slots below this rank carry all others: nothing starts without them.
FIRST_ROLE_RANK = 2
#: A worker that runs says something at least once a second; after this long its silence is told.
SILENCE = 3.5
#: Of a slot whose worker said nothing that has a code.
_CODES = {SlotState.BACKOFF: "ETLD-W003", SlotState.FATAL: "ETLD-W004"}


def load(slots: Iterable[WorkerSlot]) -> list[WorkerSlot]:
    """The slots whose processes may be forked from now on: all that carries them has loaded, and has said so.

    What everybody waits for has the processors for itself that long.
    """
    all_slots = list(slots)
    silent = min((slot.rank for slot in all_slots if slot.wanted and slot.heard is None), default=FIRST_ROLE_RANK)
    return [
        replace(slot, loads=True) for slot in all_slots if not slot.loads and min(slot.rank, FIRST_ROLE_RANK) <= silent
    ]


def admit(slots: Iterable[WorkerSlot]) -> list[WorkerSlot]:
    """The slots whose roles may begin from now on: all that carries them is up.

    The roles begin together, whatever their ranks, by which they stop.
    """
    all_slots = list(slots)
    admitted = []
    for slot in all_slots:
        if slot.admitted or not slot.wanted:
            continue
        rank = min(slot.rank, FIRST_ROLE_RANK)
        below = (other for other in all_slots if other.rank < rank and other.wanted)
        if all(other.settled for other in below):
            admitted.append(replace(slot, admitted=True))
    return admitted


def next_to_stop(slots: Iterable[WorkerSlot]) -> list[WorkerSlot]:
    """The slots of the highest rank that still has a process."""
    alive = [slot for slot in slots if slot.alive]
    rank = max((slot.rank for slot in alive), default=0)
    return [slot for slot in alive if slot.rank == rank]


def started(slots: Iterable[WorkerSlot]) -> bool:
    """Has every slot come up, or been given up?"""
    return all(slot.settled or slot.state is SlotState.FATAL for slot in slots if slot.wanted)


def hopeless(slots: Iterable[WorkerSlot]) -> list[WorkerSlot]:
    """Slots given up without which no other can start."""
    return [slot for slot in slots if slot.state is SlotState.FATAL and slot.rank < FIRST_ROLE_RANK]


def no_place(slots: Iterable[WorkerSlot]) -> list[WorkerSlot]:
    """Slots given up because the daemon has no place beside another one."""
    return [slot for slot in slots if slot.state is SlotState.FATAL and slot.no_place]


def unreachable(listening: Sequence[WorkerSlot]) -> list[WorkerSlot]:
    """The slots that listen, when all of them were given up: a daemon that nobody can reach has not started."""
    given_up = [slot for slot in listening if slot.state is SlotState.FATAL]
    return given_up if len(given_up) == len(listening) else []


def silent(slots: Iterable[WorkerSlot], now: float) -> dict[str, float]:
    """Seconds of silence by name, of workers that ought to have said something; they may be about to hang."""
    heard = [slot for slot in slots if slot.settled and slot.alive and slot.heard is not None]
    return {slot.name: seconds for slot in heard if (seconds := machine.silence(slot, now)) > SILENCE}


def state(slots: Sequence[WorkerSlot], *, stopping: bool, was_started: bool, faults: Iterable[str]) -> str:
    """The daemon's state: starting, ready, degraded or stopping; `faults` are whatever is wrong besides the slots."""
    if stopping:
        return "stopping"
    if not was_started:
        return "starting"
    if any(faults) or not all(slot.settled for slot in slots if slot.wanted):
        return "degraded"
    return "ready"


def shown_state(slot: WorkerSlot) -> str:
    """A slot's state in the words of the status."""
    if slot.state is SlotState.WAITING:
        return "starting"
    if slot.state is SlotState.RUNNING and slot.paused and slot.rests:
        return "paused"
    return "stopping" if slot.state is SlotState.STOPPED else str(slot.state)


def problems(slots: Iterable[WorkerSlot], faults: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong, one line each; `faults` is worker to (name to message)."""
    return [line for line, _ in explained(slots, faults)]


def explained(slots: Iterable[WorkerSlot], faults: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """The same lines, each with its code of the catalogue, or ""."""
    lines = []
    for slot in slots:
        if slot.wanted and not slot.settled:
            said = f": {slot.last_error}" if slot.last_error else ""
            lines.append((f"{slot.name} is {slot.replacing or shown_state(slot)}{said}", code_of_slot(slot)))
    for worker, named in faults.items():
        lines += [(f"{worker}: {name}: {text}", code_of("fault", name)) for name, text in named.items()]
    return lines


def code_of_slot(slot: WorkerSlot) -> str:
    """The code of what its worker said last, or of what it is in; "" when all is well."""
    return slot.error_code or _CODES.get(slot.state, "")


def select(slots: Iterable[WorkerSlot], target: str) -> list[WorkerSlot]:
    """The slots that a kind, a name, or a prefix of names (ending at a dash) means."""
    everyone = list(slots)
    for matches in (
        [slot for slot in everyone if slot.name == target],
        [slot for slot in everyone if slot.kind == target],
        [slot for slot in everyone if slot.name.startswith(f"{target}-")],
    ):
        if matches:
            return matches
    return []
