"""All slots by name, with what the configuration says of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from etld.supervisor.kinds import Kinds
from etld.supervisor.slots import machine, policy
from etld.supervisor.slots.machine import SlotState, WorkerSlot
from etld.worker import SlotSpec


class SlotTable:
    """The one place where the state of every slot is kept; slots are frozen and replaced by put()."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.specs: dict[str, SlotSpec] = {}
        self._slots: dict[str, WorkerSlot] = {}

    def __iter__(self) -> Iterator[WorkerSlot]:
        """Every slot as it is now; the table may change meanwhile."""
        return iter(list(self._slots.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._slots

    def __getitem__(self, name: str) -> WorkerSlot:
        return self._slots[name]

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, name: str) -> WorkerSlot | None:
        """A slot, or None."""
        return self._slots.get(name)

    def add(self, spec: SlotSpec) -> None:
        """A new slot; it starts when its rank may."""
        kind = self.kinds[spec.kind]
        self.specs[spec.name] = spec
        self.put(WorkerSlot(spec.name, spec.kind, spec.index, kind.rank, spec.event_type, one_shot=kind.one_shot))

    def put(self, slot: WorkerSlot) -> None:
        """Note what became of a slot."""
        self._slots[slot.name] = slot

    def remove(self, name: str) -> None:
        """A slot that is not wanted any more, and has no process left."""
        del self._slots[name]
        del self.specs[name]

    def restore(self, specs: Iterable[SlotSpec], slots: Iterable[WorkerSlot]) -> None:
        """What the program before this one had."""
        self.specs = {spec.name: spec for spec in specs}
        self._slots = {slot.name: slot for slot in slots}

    def wanted(self) -> list[WorkerSlot]:
        """The slots that are to stay."""
        return [slot for slot in self if slot.wanted]

    def select(self, target: str) -> list[WorkerSlot]:
        """The wanted slots that a name, a kind or a prefix means."""
        return policy.select(self.wanted(), target)

    def listening(self) -> list[WorkerSlot]:
        """The slots that accept connections."""
        return [slot for slot in self if self.kinds[slot.kind].listens]

    def settle(self, name: str) -> None:
        """A one-shot whose new run failed stands as done by the one before."""
        slot = self._slots[name]
        if not slot.alive:
            self.put(replace(slot, state=SlotState.DONE, failures=0))

    def forgive(self, seconds: float, now: float) -> None:
        """The supervisor itself was away (stopped, suspended, without a CPU): nobody has used up that time."""
        for slot in self:
            if slot.alive:
                slot = machine.excuse(slot, seconds, now)  # noqa: PLW2901  # as it is from here on
                self.put(slot if slot.kill_at is None else replace(slot, kill_at=slot.kill_at + seconds))

    def next_due(self) -> float | None:
        """When a slot's tick() should be called again, besides once a second."""
        return min((when for when in map(machine.due, self) if when is not None), default=None)
