"""Taking an edited configuration."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.config import refuse_unsafe, refuse_unsafe_files
from etld.control.verbs import Answer, Reply, VerbError
from etld.supervisor.config_checks import load
from etld.supervisor.reload import plan
from etld.supervisor.reload.rolling import roll, until_run, until_settled
from etld.supervisor.reload.scale import resize, send_config, told_by_number
from etld.supervisor.slots import policy

if TYPE_CHECKING:
    from etld.supervisor.reload.operations import Waiting, Work
    from etld.supervisor.reload.parts import Parts
    from etld.supervisor.slots.table import SlotTable

log = logging.getLogger("etld.supervisor")


def reload(parts: Parts, *, dry_run: bool) -> Answer:
    """Parse fully, plan, then do it. Raises ConfigError with every mistake, nothing changed."""
    active = parts.active
    source = active.config.source
    refuse_unsafe(source)
    new = load(source)
    refuse_unsafe_files(new)
    change = plan.ConfigChange(active.config, new, active.snapshot, plan.snapshot(new))
    running = [parts.tree.slots.specs[slot.name] for slot in parts.tree.slots.wanted()]
    todo = plan.make(active.kinds, change, running, active.scaled)
    if todo.refused:
        keys = ", ".join(todo.refused)
        raise VerbError("refused", f"{keys}: only `etld stop` and `etld start` can change this; nothing was changed")
    answer = {"changed": list(todo.changed), "plan": [step.as_dict() for step in todo.steps]}
    if dry_run or not todo.changed:
        return {**answer, "dry_run": dry_run}
    return parts.operations.start("reload", _reload(parts, change, todo, answer))


def _reload(parts: Parts, change: plan.ConfigChange, todo: plan.ReloadPlan, answer: Reply) -> Work:
    tree, new = parts.tree, change.new
    # A taken port: EtldError, nothing changed.
    listeners = parts.listeners.elsewhere(new.ingest.host, new.ingest.port, len(parts.active.listening(new)))
    parts.service_manager.reloading()
    for step in todo.steps:
        log.info("reload: %s %s (%s)", step.action, step.slot, ", ".join(step.why))
    replaced = _below_roles(tree.slots, todo)
    try:
        yield from _adopt(parts, change, todo)
    except BaseException:
        if listeners is not None:
            listeners.close()
        parts.service_manager.ready("reload failed; the old configuration stays")
        raise
    if listeners is not None:
        parts.listeners.take_over(listeners)
    started, stopped = yield from resize(parts)
    names = {*todo.of("reload"), *told_by_number(parts, started, stopped)}
    if "log.level" in todo.changed:
        names = {slot.name for slot in tree.slots}
    refusals = yield from send_config(parts, names)
    yield from until_settled(tree, started)
    yield from roll(tree, parts.operations, [name for name in todo.of("restart") if name not in replaced], "reload")
    parts.service_manager.ready("ready")
    if refusals:
        raise VerbError("refused", "\n".join(refusals))
    return answer


def _adopt(parts: Parts, change: plan.ConfigChange, todo: plan.ReloadPlan) -> Waiting:
    """Work by the new configuration up to and with set-up; by the old one again when that fails."""
    active, tree = parts.active, parts.tree
    try:
        active.adopt(change.new, change.after)
        yield from roll(tree, parts.operations, _below_roles(tree.slots, todo), "reload")
        for name in todo.of("run"):
            tree.renew(name, time.monotonic(), "reload")
            yield from until_run(tree.slots, name, "the old configuration stays")
    except BaseException:
        if active.config is change.new and not parts.lifecycle.stopping:
            active.adopt(change.old, change.before)
            for name in todo.of("run"):
                tree.slots.settle(name)
        raise


def _below_roles(slots: SlotTable, todo: plan.ReloadPlan) -> list[str]:
    """The embedded parts that are replaced: before all others."""
    return [name for name in todo.of("restart") if slots[name].rank < policy.FIRST_ROLE_RANK]
