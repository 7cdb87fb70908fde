"""Mistakes that only show when the keys are looked at together."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config.lines import Path
    from etld.config.model import Config

Found = tuple["Path", str]

_PIECE = re.compile(r"[^.\[\]]+")


def semantic_problems(config: Config) -> list[Found]:
    """Every mistake, as key path and message."""
    found = [*_topics(config), *_files(config), *_summaries(config), *_ports(config), *_servers(config)]
    # The roles know their own sections best. By name, and late: most commands need none of it.
    check_rules = importlib.import_module("etld.corrector.rules").check
    check_summaries = importlib.import_module("etld.aggregator.definitions").check

    found += [(_path(dotted), message) for dotted, message in check_rules(config.corrector.rules)]
    found += [(tuple(path), message) for path, message in check_summaries(config.summaries, config.event_types)]
    return found


def _path(path: str) -> Path:
    pieces = _PIECE.findall(path)
    return tuple(int(piece) if piece.isdigit() else piece for piece in pieces)


def _topics(config: Config) -> Iterator[Found]:
    if not config.event_types:
        yield ("event_types",), "expected at least one table [event_types.<type>]"
    seen = {"dead_letter_queue": "etld itself", "parked_events": "etld itself"}
    for name, kind in config.event_types.items():
        if kind.topic in seen:
            message = f"{kind.topic!r} is the topic of {seen[kind.topic]} already; each event type needs its own"
            yield ("event_types", name, "topic"), message
        seen.setdefault(kind.topic, f"event type {name!r}")
        for event in kind.sample:
            if kind.event_names and event not in kind.event_names:
                yield ("event_types", name, "sample", event), f"{event!r} is not among event_names"


def _files(config: Config) -> Iterator[Found]:
    for name, kind in config.event_types.items():
        if kind.schema_ is None or not kind.schema_.is_file():
            yield ("event_types", name, "schema"), f"there is no file {kind.schema_}"
    files = {
        ("kafka", "sasl_password_file"): config.kafka.sasl_password_file,
        ("kafka", "ssl_ca_file"): config.kafka.ssl_ca_file,
        ("postgres", "password_file"): config.postgres.password_file,
        ("schema_registry", "password_file"): config.schema_registry.password_file,
        ("ingest", "keys_file"): config.ingest.keys_file,
    }
    for path, file in files.items():
        if file is not None and not file.is_file():
            yield path, f"there is no file {file}"


def _summaries(config: Config) -> Iterator[Found]:
    charts: dict[str, str] = {}
    for name, summary in config.summaries.items():
        at = ("summaries", name)
        for event_type in summary.event_types:
            if event_type not in config.event_types:
                yield (*at, "event_types"), f"there is no event type {event_type!r}"
        chart = summary.chart
        if chart is None:
            continue
        if chart.name in charts:
            yield (*at, "chart", "name"), f"summary {charts[chart.name]!r} has the chart {chart.name!r} already"
        charts[chart.name] = name
        for i, panel in enumerate(chart.panels):
            if panel.by not in (*summary.group_by, "bucket_start"):
                yield (*at, "chart", "panels", i, "by"), f"{panel.by!r} is not a column of group_by"
            if panel.value not in summary.measures:
                yield (*at, "chart", "panels", i, "value"), f"{panel.value!r} is not a measure"


def _ports(config: Config) -> Iterator[Found]:
    taken: dict[int, str] = {}
    ports = [(("ingest", "port"), config.ingest.port)]
    if config.kafka.bootstrap_servers == "embedded":
        ports.append((("kafka", "embedded_port"), config.kafka.embedded_port))
    if config.postgres.dsn == "embedded":
        ports.append((("postgres", "embedded_port"), config.postgres.embedded_port))
    for path, port in ports:
        if port and port in taken:
            yield path, f"port {port} is {taken[port]} already"
        taken.setdefault(port, ".".join(path))


def _servers(config: Config) -> Iterator[Found]:
    if config.kafka.bootstrap_servers != "embedded":
        for server in config.kafka.bootstrap_servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65536:
                yield ("kafka", "bootstrap_servers"), f'expected "embedded" or "host:port,…", got {server.strip()!r}'
    url = config.schema_registry.url
    if url != "embedded" and not url.startswith(("http://", "https://")):
        yield ("schema_registry", "url"), f'expected "embedded" or an http(s) URL, got {url!r}'
    dsn = config.postgres.dsn
    if dsn != "embedded" and not (dsn.startswith(("postgresql://", "postgres://")) or "=" in dsn):
        yield ("postgres", "dsn"), f'expected "embedded" or a DSN such as "postgresql://user@host/db", got {dsn!r}'
