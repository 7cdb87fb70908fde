"""Changing how many workers there are."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING

from etld.control.verbs import Answer, VerbError
from etld.supervisor.reload.pause import REST_WITHIN
from etld.supervisor.reload.rolling import until_settled
from etld.supervisor.reload.targets import unknown
from etld.worker.channel import pack

if TYPE_CHECKING:
    from etld.supervisor.reload.active_config import ActiveConfig
    from etld.supervisor.reload.operations import Work
    from etld.supervisor.reload.parts import Parts

log = logging.getLogger("etld.supervisor")

#: Seconds in which a worker that is to stop accepts the connections that are in its socket's queue.
_LAST_ACCEPT = 0.25


def scale(parts: Parts, target: str, count: int, within: float | None = None) -> Answer:
    """Change a kind's (or one event type's) number of workers until the next start."""
    groups = _groups(parts.active, target)
    if not groups:
        raise unknown(parts.tree.slots, target)
    return parts.operations.start(f"scale {target} to {count}", _scale(parts, groups, count), within=within)


def _groups(active: ActiveConfig, target: str) -> list[str]:
    groups = []
    for kind in active.kinds.values():
        if kind.name == target and not active.config.runs(target):
            raise VerbError("refused", f"{target}: [roles] run leaves it to other hosts")
        for event_type, _ in kind.counts(active.config):
            if target in (kind.name, kind.group(event_type)):
                if kind.only_one:
                    raise VerbError("refused", f"{target}: there is always exactly one")
                groups.append(kind.group(event_type))
    return groups


def _scale(parts: Parts, groups: Sequence[str], count: int) -> Work:
    slots = parts.tree.slots
    while any(not slot.wanted for slot in slots):
        yield  # a name that is on its way out cannot be given anew
    parts.active.scaled.update(dict.fromkeys(groups, count))
    started, stopped = yield from resize(parts)
    refusals = yield from send_config(parts, told_by_number(parts, started, stopped))
    yield from until_settled(parts.tree, started)
    while any(name in slots for name in stopped):
        yield
    if refusals:
        raise VerbError("refused", "\n".join(refusals))
    return {"started": started, "stopped": stopped}


def resize(parts: Parts) -> Generator[None, None, tuple[list[str], list[str]]]:
    """Start and stop slots until they are those that the configuration asks for; the names of both."""
    tree = parts.tree
    wanted = {spec.name: spec for spec in parts.active.specs()}
    extra = [slot for slot in tree.slots.wanted() if slot.name not in wanted]
    new = [spec for name, spec in wanted.items() if name not in tree.slots]
    parts.listeners.ensure(parts.active.listening())
    for spec in new:
        tree.slots.add(spec)
    if any(tree.kinds[slot.kind].listens for slot in extra):
        until = time.monotonic() + _LAST_ACCEPT
        while time.monotonic() < until:
            yield
    for slot in extra:
        log.info("%s: not wanted any more", slot.name)
        tree.stop(slot.name, time.monotonic())
    return [spec.name for spec in new], [slot.name for slot in extra]


def told_by_number(parts: Parts, started: Sequence[str], stopped: Sequence[str]) -> list[str]:
    """The workers that stay, of a kind whose number has changed and that share something by that number."""
    changed = {name.rpartition("-")[0] for name in (*started, *stopped)}
    slots = [slot for slot in parts.tree.slots.wanted() if slot.kind in changed and slot.name not in started]
    return [slot.name for slot in slots if parts.active.knows_number(slot.kind)]


def send_config(parts: Parts, names: Collection[str]) -> Generator[None, None, list[str]]:
    """Wait until these workers work by the configuration; why some do not. One that is too busy takes it later."""
    children, active = parts.tree.children, parts.active
    slots = [slot for slot in parts.tree.slots if slot.name in names]
    sent = [children.reload(slot.pid, pack(active.for_worker(slot.kind))) for slot in slots]
    deadline = time.monotonic() + REST_WITHIN
    refusals = []
    for process in filter(None, sent):
        while process.taken < process.told and process.pid in children and time.monotonic() < deadline:
            yield
        if process.refused is not None:
            refusals.append(
                f"{process.name} works on by the old configuration: {process.refused}; mend it, then `etld reload`"
            )
    return refusals
