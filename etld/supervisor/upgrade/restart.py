"""`restart`: workers one by one; without a target, the supervisor's program first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etld.control.verbs import Answer
from etld.supervisor.reload import targets
from etld.supervisor.reload.rolling import roll, until_run
from etld.supervisor.reload.scale import resize
from etld.supervisor.slots import policy

if TYPE_CHECKING:
    from etld.supervisor.reload.operations import Work
    from etld.supervisor.reload.parts import Parts
    from etld.supervisor.upgrade.handover import Running
    from etld.supervisor.upgrade.successor import Successor


def restart(parts: Parts, target: str, within: float | None = None) -> Answer:
    """Replace the named workers one by one."""
    names = [slot.name for slot in targets.find(parts.tree.slots, target)]
    return parts.operations.start(f"restart {target}", _restart(parts, names), within=within)


def _restart(parts: Parts, names: Sequence[str]) -> Work:
    yield from roll(parts.tree, parts.operations, names, "restart")
    return {"restarted": list(names)}


def upgrade(parts: Parts, running: Running, successor: Successor) -> Answer:
    """Ask the program that is installed now whether it would run at all; only then let it take this one's place."""
    return parts.operations.start("restart", _upgrade(running, successor))


def _upgrade(running: Running, successor: Successor) -> Work:
    yield from successor.ask(running)
    running.lifecycle.upgrading = True
    return {"restarting": True, "pid": running.lifecycle.pid}


def after_upgrade(parts: Parts) -> Work:
    """Set-up (migrations) again, then every role; embedded parts stay."""
    slots = parts.tree.slots
    for slot in slots:
        if slot.one_shot:
            parts.tree.renew(slot.name, time.monotonic(), "upgrade")
            parts.operations.tell(f"restart: {slot.name}")
            yield from until_run(slots, slot.name, "no worker was replaced")
    yield from resize(parts)
    in_order = sorted(slots.wanted(), key=lambda slot: (slot.rank, slot.name))
    names = [slot.name for slot in in_order if slot.rank >= policy.FIRST_ROLE_RANK]
    yield from roll(parts.tree, parts.operations, names, "restart")
    return {"restarted": names}
