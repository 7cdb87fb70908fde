"""Taking an edited configuration."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.config import refuse_unsafe, refuse_unsafe_files, user_code
from etld.control.verbs import Answer, Reply, VerbError
from etld.supervisor.config_checks import load
from etld.supervisor.network.addresses import make_kafka_passfile
from etld.supervisor.reload import plan
from etld.supervisor.reload.rolling import roll, until_run, until_settled
from etld.supervisor.reload.scale import resize, send_config, told_by_number
from etld.supervisor.reload.together import Together
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import SlotState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.operations import Waiting, Work
    from etld.supervisor.reload.parts import Parts
    from etld.supervisor.slots.table import SlotTable

log = logging.getLogger("etld.supervisor")

_NAME = "reload"


def reload(parts: Parts, *, dry_run: bool, within: float | None = None) -> Answer:
    """Parse fully, plan, then do it. Raises ConfigError with every mistake, nothing changed.

    A reload that is under way is called off, and this one begins when that has taken back what it must.
    """
    change, todo, answer = _planned(parts)
    if dry_run and user_code.named(change.new):
        return _checked(change.new, {**answer, "dry_run": True})
    if not dry_run and parts.operations.running(_NAME):
        return parts.operations.start(_NAME, _after_another(parts), within=within, replaces=True)
    if dry_run or not (todo.changed or todo.steps):
        return {**answer, "dry_run": dry_run}
    return parts.operations.start(_NAME, _reload(parts, change, todo, answer), within=within)


def _planned(parts: Parts) -> tuple[plan.ConfigChange, plan.ReloadPlan, Reply]:
    """The file as it is now, and what it means; raises ConfigError and VerbError."""
    active = parts.active
    source = active.config.source
    refuse_unsafe(source)
    new = load(source)
    refuse_unsafe_files(new)
    user_code.refuse_unsafe_code(new)
    change = plan.ConfigChange(active.config, new, active.snapshot, plan.snapshot(new))
    todo = plan.make(active.kinds, change, _running(parts), active.scaled)
    if todo.refused:
        keys = ", ".join(todo.refused)
        raise VerbError(
            "refused",
            f"{keys}: only `etld stop` and `etld start` can change this; nothing was changed",
            explain="ETLD-C017",
        )
    return (
        change,
        todo,
        {"changed": list(todo.changed), "plan": [step.as_dict() for step in todo.steps if not step.unsaid]},
    )


def _after_another(parts: Parts) -> Work:
    """A reload that is planned when it begins: the one before it has left things as they are then."""
    change, todo, answer = _planned(parts)
    if not (todo.changed or todo.steps):
        return {**answer, "dry_run": False}
    return (yield from _reload(parts, change, todo, answer))


def _checked(new: Config, answer: Reply) -> Answer:
    """The answer, as soon as the user's functions have been imported."""
    checking = user_code.checking(new)

    def later() -> Reply | None:
        for _ in checking:
            return None
        return answer

    return later


def _running(parts: Parts) -> list[plan.RunningSlot]:
    """The slots, and what the process of each works by: not always what was read last."""
    tree, found = parts.tree, []
    for slot in tree.slots.wanted():
        process = tree.children.get(slot.pid)
        snapshot = process.snapshot if process is not None else None
        given_up = slot.state is SlotState.FATAL
        if slot.one_shot and parts.lifecycle.was_started:
            given_up = slot.state is not SlotState.DONE  # all roles are there, and what they stand on is not
        found.append(plan.RunningSlot(tree.slots.specs[slot.name], snapshot, given_up))
    return found


def _reload(parts: Parts, change: plan.ConfigChange, todo: plan.ReloadPlan, answer: Reply) -> Work:
    tree, new = parts.tree, change.new
    parts.service_manager.reloading()
    try:
        parts.operations.tell("reload: importing transforms and hooks")
        yield from user_code.checking(new)
        # A taken port: EtldError, nothing changed.
        listeners = parts.listeners.elsewhere(new.ingest.host, new.ingest.port, len(parts.active.listening(new)))
    except BaseException:
        parts.service_manager.ready("reload failed; the old configuration stays")
        raise
    for step in todo.steps:
        log.info("reload: %s %s (%s)", step.action, step.slot, ", ".join(step.why))
    together = Together(tree, parts.operations, [step.slot for step in todo.steps if step.together])
    replaced = [*_below_roles(tree.slots, todo), *_together(todo)]
    try:
        yield from together.meet()
        yield from _adopt(parts, change, todo, together)
    except BaseException:
        if listeners is not None:
            listeners.close()
        if not parts.lifecycle.stopping:
            together.go_on()
        parts.service_manager.ready("reload failed; the old configuration stays")
        raise
    if listeners is not None:
        parts.listeners.take_over(listeners)
    together.go_on()
    _note_untouched(tree, todo)
    started, stopped = yield from resize(parts)
    names = {*todo.of("reload"), *told_by_number(parts, started, stopped)}
    if "log.level" in todo.changed:
        names = {slot.name for slot in tree.slots}
    refusals = yield from send_config(parts, names)
    _note_taken(tree, todo)
    yield from until_settled(tree, started)
    yield from roll(tree, parts.operations, [name for name in todo.of("restart") if name not in replaced], "reload")
    parts.service_manager.ready("ready")
    if refusals:
        raise VerbError("refused", "\n".join(refusals))
    return answer


def _adopt(parts: Parts, change: plan.ConfigChange, todo: plan.ReloadPlan, together: Together) -> Waiting:
    """Work by the new configuration up to and with those that begin together; by the old one again when that fails."""
    active, tree = parts.active, parts.tree
    try:
        if "kafka.bootstrap_servers" in plan.changed_keys(change.before, change.after):
            make_kafka_passfile(change.new)
        active.adopt(change.new, change.after)
        yield from roll(tree, parts.operations, _below_roles(tree.slots, todo), "reload")
        for name in todo.of("run"):
            parts.operations.tell(f"reload: {name}")
            tree.renew(name, time.monotonic(), "reload")
            yield from until_run(tree.slots, name, "the old configuration stays")
        yield from together.replace(_together(todo))
    except BaseException as error:
        if active.config is change.new and not parts.lifecycle.stopping:
            active.adopt(change.old, change.before)
            for name in todo.of("run"):
                tree.take_back(name, time.monotonic())
            if not isinstance(error, GeneratorExit):
                yield from _bring_back(tree, together, _together(todo))
        raise


def _bring_back(tree: ProcessTree, together: Together, names: Sequence[str]) -> Waiting:
    """Replace those that work by the new configuration, or came up with it in vain, by the old one again."""
    new = []
    for name in names:
        process = tree.children.get(tree.slots[name].pid)
        if process is None or process.snapshot is not tree.snapshot:
            new.append(name)
    try:
        yield from together.replace(new)
    except VerbError as error:
        log.error("reload: %s", error)


def _together(todo: plan.ReloadPlan) -> list[str]:
    """Those that are replaced at one position."""
    return [step.slot for step in todo.steps if step.together and step.action == "restart"]


def _note_untouched(tree: ProcessTree, todo: plan.ReloadPlan) -> None:
    """What the change does not touch works by it from now on."""
    touched = {step.slot for step in todo.steps}
    for process in tree.children:
        if process.name not in touched and process.pid not in tree.retiring:
            process.snapshot = tree.snapshot


def _note_taken(tree: ProcessTree, todo: plan.ReloadPlan) -> None:
    """Who was sent the change and took it works by it; one that refused, or is too busy, is sent it again next time."""
    for name in todo.of("reload"):
        process = tree.children.get(tree.slots[name].pid) if name in tree.slots else None
        if process is not None and process.taken == process.told and process.refused is None:
            process.snapshot = tree.snapshot


def _below_roles(slots: SlotTable, todo: plan.ReloadPlan) -> list[str]:
    """The embedded parts that are replaced: before all others."""
    return [name for name in todo.of("restart") if slots[name].rank < policy.FIRST_ROLE_RANK]
