"""Which worker a process is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """One slot that the configuration asks for: a place for one worker process, such as "processor-purchase-0".

    `index` counts the slots of a kind (and event type) from 0.
    """

    name: str
    kind: str
    index: int = 0
    event_type: str | None = None
