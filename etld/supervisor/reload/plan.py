"""What a changed configuration means for the running workers: a pure comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etld.config import user_code
from etld.supervisor.kinds import Kinds, Paths, WorkerKind, specs
from etld.worker import SlotSpec

if TYPE_CHECKING:
    from etld.config import Config

#: Only a stop and a start can change these.
FIXED = ("state_dir", "kafka.prefix", "log.target", "log.format")
#: The kinds that this host runs.
_ROLES = "roles.run"
#: Keys of counts: they start and stop workers, and touch none that stays.
_COUNTS = ("workers",)
#: Ends of the keys of files whose content no worker may inherit.
_SECRET_FILES = ("password_file", "secret_file", "key_file", "url_file")


@dataclass(frozen=True, slots=True)
class ReloadStep:
    """One thing to do ("start", "stop", "restart", "reload", "run") with one slot, and the keys that ask for it."""

    action: str
    slot: str
    why: tuple[str, ...]
    #: It takes the change at the same positions of the topics as the others for which this is true.
    together: bool = False
    #: It changes nothing in how the worker works, so that nobody need know.
    unsaid: bool = False

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"action": self.action, "worker": self.slot, "why": list(self.why)}


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """`changed`: every key that differs; `refused`: those of them that need a stop and a start."""

    changed: tuple[str, ...]
    steps: tuple[ReloadStep, ...]
    refused: tuple[str, ...]

    def of(self, action: str) -> list[str]:
        """The slots of one action."""
        return [step.slot for step in self.steps if step.action == action]


def snapshot(config: Config) -> dict[str, Any]:
    """The configuration flat, by dotted key, with a digest of each file it names that roles read.

    A file with a secret is not read here, where every worker would inherit it: a new one has another inode or time.
    """
    flat: dict[str, Any] = {}
    _flatten("", config.model_dump(by_alias=True), flat)
    for key, path in config.files().items():
        if not path.is_file():
            continue
        if key.endswith(_SECRET_FILES):
            is_now = path.stat()
            flat[f"{key}.content"] = (is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns)
        else:
            flat[f"{key}.content"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return flat | user_code.digests(config)


def _flatten(prefix: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), item, out)
    else:
        out[prefix] = value


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that one has and the other has not, or has otherwise."""
    missing = object()
    return tuple(sorted(k for k in old.keys() | new.keys() if old.get(k, missing) != new.get(k, missing)))


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """From one configuration to another; `before` and `after` are their snapshots."""

    old: Config
    new: Config
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunningSlot:
    """A slot that there is.

    `snapshot` is the configuration that its process works by, None for the one in force; `given_up`: it has no
    process that works, and another start may help.
    """

    spec: SlotSpec
    snapshot: Mapping[str, Any] | None = None
    given_up: bool = False


def make(kinds: Kinds, change: ConfigChange, running: Sequence[RunningSlot], scale: Mapping[str, int]) -> ReloadPlan:
    """What is to be done until every slot works by the new configuration, whatever each works by now."""
    changed = changed_keys(change.before, change.after)
    refused = tuple(key for key in changed if _below(key, FIXED))
    wanted = {spec.name: spec for spec in specs(kinds, change.new, scale)}
    here = {slot.spec.name for slot in running}
    steps: list[ReloadStep] = []
    missed: set[str] = set()
    for slot in running:
        spec, own, mine = slot.spec, change, changed
        if slot.snapshot is not None and slot.snapshot is not change.before:
            own = replace(change, before=slot.snapshot)
            mine = changed_keys(slot.snapshot, change.after)
        touched = _touched(kinds[spec.kind], slot, own, mine)
        if spec.name not in wanted:
            together = any(step.together for step in touched)
            steps.append(ReloadStep("stop", spec.name, _group_keys(spec, changed), together))
            continue
        steps += touched
        if touched:
            missed.update(key for key in mine if key not in changed and _touches(kinds[spec.kind], spec, own, key))
    steps += [ReloadStep("start", s.name, _group_keys(s, changed)) for s in wanted.values() if s.name not in here]
    order = {name: at for at, name in enumerate(("run", "stop", "start", "reload", "restart"))}
    ranks = {spec.name: kinds[spec.kind].rank for spec in (*(slot.spec for slot in running), *wanted.values())}
    changed = tuple(sorted({*changed, *missed}))
    return ReloadPlan(changed, tuple(sorted(steps, key=lambda s: (order[s.action], ranks[s.slot]))), refused)


def _touched(kind: WorkerKind, slot: RunningSlot, change: ConfigChange, changed: Sequence[str]) -> list[ReloadStep]:
    """What a worker that stays is to do: at most one step."""
    spec = slot.spec
    restart, push = (_prefixes(paths, spec, change) for paths in (kind.restart, kind.push))
    touching = [(key, _longest(key, restart), _longest(key, push)) for key in changed if not _is_count(key)]
    hard = tuple(key for key, r, p in touching if r > p)
    soft = tuple(key for key, r, p in touching if p >= r and p > 0)
    whole = _whole_tables(change.before, change.after)
    if hard:
        together = any(_below(key, _prefixes(kind.together, spec, change)) for key in hard)
        return [ReloadStep("run" if kind.one_shot else "restart", spec.name, _brief(hard, whole), together)]
    if slot.given_up:
        return [ReloadStep("run" if kind.one_shot else "restart", spec.name, ("it was given up",))]
    if soft:
        return [ReloadStep("reload", spec.name, _brief(soft, whole))]
    shown = any(_below(key, _prefixes(kind.shows, spec, change)) for key in changed)
    return [ReloadStep("reload", spec.name, (), unsaid=True)] if shown else []


def _prefixes(paths: Paths, spec: SlotSpec, change: ConfigChange) -> set[str]:
    return {*paths(change.old, spec.event_type), *paths(change.new, spec.event_type)}


def _touches(kind: WorkerKind, spec: SlotSpec, change: ConfigChange, key: str) -> bool:
    return _below(key, _prefixes(kind.restart, spec, change) | _prefixes(kind.push, spec, change))


def _below(key: str, prefixes: Iterable[str]) -> bool:
    return _longest(key, prefixes) > 0


def _longest(key: str, prefixes: Iterable[str]) -> int:
    return max((len(p) for p in prefixes if key == p or key.startswith(f"{p}.")), default=0)


def _is_count(key: str) -> bool:
    return key.rpartition(".")[2] in _COUNTS


def _group_keys(spec: SlotSpec, changed: Sequence[str]) -> tuple[str, ...]:
    """The keys that say how many of a kind there are."""
    if _ROLES in changed:
        return (_ROLES,)
    if spec.event_type is not None:
        prefix = f"event_types.{spec.event_type}"
        found = tuple(key for key in changed if _below(key, (prefix,)))
        return tuple(k for k in found if k == f"{prefix}.workers") or ((prefix,) if found else ())
    return tuple(k for k in changed if k in (f"{spec.kind}.workers", "kafka.bootstrap_servers", "postgres.dsn"))


def _table(key: str) -> str:
    return ".".join(key.split(".")[:2])


def _whole_tables(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """Tables such as event_types.refund that are new, or gone."""
    return frozenset({_table(key) for key in before} ^ {_table(key) for key in after})


def _brief(keys: Sequence[str], whole: frozenset[str]) -> tuple[str, ...]:
    """A table that is new or gone by its name alone; at most six."""
    short = tuple(dict.fromkeys(_table(key) if _table(key) in whole else key for key in keys))
    return (*short[:6], f"and {len(short) - 6} more") if len(short) > 6 else short
