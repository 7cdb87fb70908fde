"""The kinds of workers: a new one is an entry here and a module with run(worker)."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.worker import EMBEDDED, SlotSpec

if TYPE_CHECKING:
    from etld.config import Config

Counts = Iterable[tuple[str | None, int]]
Paths = Callable[["Config", str | None], Iterable[str]]


def _nothing(_config: Config, _event_type: str | None) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """How one kind of worker is started, and what of the configuration touches it.

    `counts` gives (event type, number of slots); `restart` and `push` give key prefixes: a change
    below one of `restart` replaces the worker, below one of `push` is sent to it; the longest prefix
    wins. What is below one of `shows`, and of neither, is sent to it as well, and no plan tells so: it works as
    before. A change below one of `together` is taken by all that it concerns at the same positions of the
    topics. `overlap`: a successor is up before the worker is asked to stop. `check` names a function of
    (config, addresses) that raises EtldError when a program that is to take over could not go on.
    """

    name: str
    rank: int
    entry: str
    description: str
    counts: Callable[[Config], Counts]
    restart: Paths = _nothing
    push: Paths = _nothing
    shows: Paths = _nothing
    together: Paths = _nothing
    one_shot: bool = False
    overlap: bool = False
    embedded: bool = False
    #: Events do not go through it: there is exactly one, and nothing waits for it.
    aside: bool = False
    listens: bool = False
    database: bool = True
    check: str = ""
    #: The kernel's signal to it when the supervisor dies: the roles are made to be killed.
    death_signal: signal.Signals = signal.SIGKILL

    def slot_name(self, event_type: str | None, index: int) -> str:
        """Such as "processor-purchase-0"; a kind that exists once has its own name."""
        if self.only_one:
            return self.name
        return f"{self.group(event_type)}-{index}"

    @property
    def only_one(self) -> bool:
        """Has nobody a say in how many there are?"""
        return self.aside or self.embedded or self.one_shot

    def group(self, event_type: str | None) -> str:
        """What `etld scale` changes the number of, such as "processor-purchase" or "ingest"."""
        return f"{self.name}-{event_type}" if event_type else self.name


Kinds = Mapping[str, WorkerKind]


def specs(kinds: Kinds, config: Config, scale: Mapping[str, int] | None = None) -> list[SlotSpec]:
    """Every slot of this host, by rank; `scale` overrides the number for a kind or "kind-event_type"."""
    scale = scale or {}
    found = []
    for kind in sorted(kinds.values(), key=lambda kind: kind.rank):
        for event_type, number in kind.counts(config) if config.runs(kind.name) else ():
            count = scale.get(kind.group(event_type), number)
            found += [SlotSpec(kind.slot_name(event_type, i), kind.name, i, event_type) for i in range(count)]
    return found


def listening_indices(kinds: Kinds, slots: Iterable[SlotSpec]) -> list[int]:
    """The indices of the slots that have a listening socket."""
    return [spec.index for spec in slots if kinds[spec.kind].listens]


def load_kinds(reference: str) -> Kinds:
    """A table of kinds by its "module:attribute"."""
    kinds: Kinds = load_object(reference)
    return kinds


def load_object(reference: str) -> Any:
    """What "module:attribute" names; the module is imported now."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


_SERVERS = ("kafka", "postgres", "schema_registry", "node_id")
#: For how long they know ids.
_WINDOW = "storage.dedup_window"


def _once(_config: Config) -> Counts:
    return [(None, 1)]


def _processors(config: Config) -> Counts:
    return [(name, kind.workers) for name, kind in config.event_types.items()]


def _processor_restart(_config: Config, event_type: str | None) -> Iterable[str]:
    own = ("topic", "transform", "event_names", "unknown_fields", "sample")
    return (*_SERVERS, "processor", "breaker", _WINDOW, *(f"event_types.{event_type}.{key}" for key in own))


def _aggregator_restart(config: Config, _event_type: str | None) -> Iterable[str]:
    types = sorted({name for summary in config.summaries.values() for name in summary.event_types})
    used = [f"event_types.{name}.{key}" for name in types for key in ("topic", "transform", "schema")]
    return (*_SERVERS, "aggregator", "charts", "summaries", _WINDOW, *used)


def _lake(config: Config) -> Counts:
    return [(name, config.lake.workers) for name in config.event_types] if config.lake.enabled else []


def _lake_restart(_config: Config, event_type: str | None) -> Iterable[str]:
    own = ("topic", "transform", "schema", "unknown_fields")
    more = (_WINDOW, "storage.erasure_key_file", "state_dir")
    return (*_SERVERS, "lake", *more, *(f"event_types.{event_type}.{key}" for key in own))


def _records_processor(_config: Config, event_type: str | None) -> Iterable[str]:
    return [f"event_types.{event_type}.{key}" for key in ("topic", "transform")]


def _records_aggregator(config: Config, _event_type: str | None) -> Iterable[str]:
    return [key for name in config.event_types for key in _records_processor(config, name)]


def _ingest_push(_config: Config, _event_type: str | None) -> Iterable[str]:
    names = (
        "invalid timezone max_age max_ahead max_body max_event max_batch max_depth ack_timeout rate_per_key"
        " rate_per_address cors_origins trusted_proxies segment segment_map segment_calls cloudevents keys_file"
        " tls_cert_file tls_key_file"
    )
    return ("event_types", *(f"ingest.{name}" for name in names.split()))


#: What the console works with: its pages read events, summaries and letters as the others do.
_CONSOLE_USES = "event_types summaries charts.dir storage aggregator.dedup_window corrector alerts ingest.keys_file"
#: What it only shows.
_CONSOLE_SHOWS = "state_dir ingest processor breaker lake aggregator charts python supervisor log"


_ALL: tuple[WorkerKind, ...] = (
    WorkerKind(
        "embedded-postgres",
        0,
        "etld.embedded.main:run_postgres",
        "PostgreSQL that etld brings along",
        lambda config: [(None, int(config.postgres.dsn == EMBEDDED))],
        restart=lambda *_: ("postgres.embedded_port",),
        embedded=True,
        death_signal=signal.SIGTERM,
    ),
    WorkerKind(
        "embedded-kafka",
        0,
        "etld.embedded.main:run_kafka",
        "the Kafka broker that etld brings along",
        lambda config: [(None, int(config.kafka.bootstrap_servers == EMBEDDED))],
        restart=lambda *_: ("kafka.embedded_port", "kafka.embedded_broker"),
        embedded=True,
        death_signal=signal.SIGTERM,
    ),
    WorkerKind(
        "setup",
        1,
        "etld.setup.main:run",
        "migrations, topics and schemas, before any role starts",
        _once,
        restart=lambda *_: (*_SERVERS, "event_types", "summaries"),
        one_shot=True,
        death_signal=signal.SIGTERM,
        check="etld.setup.check:run",
    ),
    WorkerKind(
        "aggregator",
        2,
        "etld.aggregator.main:run",
        "running summaries and charts",
        lambda config: [(None, config.aggregator.workers)],
        restart=_aggregator_restart,
        # It takes away what is kept no longer.
        push=lambda *_: ("storage", "event_types", "lake.enabled", "lake.hold_partitions"),
        together=_records_aggregator,
    ),
    WorkerKind(
        "processor",
        2,
        "etld.processor.main:run",
        "events from Kafka into processed_events",
        _processors,
        restart=_processor_restart,
        together=_records_processor,
    ),
    WorkerKind(
        "corrector",
        2,
        "etld.corrector.main:run",
        "repairs dead letters and sends them back",
        lambda config: [(None, config.corrector.workers)],
        restart=lambda *_: (*_SERVERS, "python", "corrector.hooks"),
        push=lambda *_: (
            "corrector",
            "breaker",
            "event_types",
            "storage",
            *(f"ingest.{name}" for name in ("timezone", "max_age", "max_ahead")),
        ),
    ),
    WorkerKind(
        "lake",
        3,
        "etld.lake.main:run",
        "events from Kafka into the lake",
        _lake,
        # Not together with the others: they must not wait for storage that is away.
        restart=_lake_restart,
        # Which is not theirs.
        push=lambda *_: ("lake.hold_partitions",),
    ),
    WorkerKind(
        "ingest",
        3,
        "etld.ingest.main:run",
        "events over HTTP into Kafka",
        lambda config: [(None, config.ingest.workers)],
        restart=lambda *_: ("kafka", "node_id", "ingest"),
        push=_ingest_push,
        overlap=True,
        listens=True,
        database=False,
    ),
    WorkerKind(
        "console",
        3,
        "etld.console.main:run",
        "the web page for people",
        lambda config: [(None, int(config.console.enabled))],
        restart=lambda *_: (*_SERVERS, "console"),
        push=lambda *_: tuple(_CONSOLE_USES.split()),
        shows=lambda *_: tuple(_CONSOLE_SHOWS.split()),
        aside=True,
    ),
    WorkerKind(
        "alerts",
        3,
        "etld.alerts.main:run",
        "tells webhooks of what is wrong",
        lambda config: [(None, int(bool(config.alerts)))],
        restart=lambda *_: ("node_id", "alerts"),
        aside=True,
        database=False,
    ),
)

KINDS: Kinds = {kind.name: kind for kind in _ALL}
