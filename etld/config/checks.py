"""Mistakes that only show when the keys are looked at together, or when the files they name are."""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from etld.config import dotted
from etld.config.salvage import Mistake
from etld.config.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config.lines import Path
    from etld.config.model import Config
    from etld.config.services import Kafka

#: Topics that no event type may take.
OWN_TOPICS = ("dead_letter_queue", "parked_events")
# The roles know their own sections best. By name and late: config stands below them, and most commands need neither.
_RULES = "etld.deadletters.rules.engine"
_SUMMARIES = "etld.summaries.definition"
_SCHEMAS = "etld.schemas.tree"
_KEYS = "etld.ingest.keys"
_PROXIES = "etld.ingest.http.proxies"
_SEGMENT = "etld.ingest.segment"
#: As a browser sends it: lower case, nothing after the host but a port that is not the scheme's own.
_ORIGIN = re.compile(
    r"(?!https://.*:443$|http://.*:80$)[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
)
# What Kafka's client takes.
_DAY = 86_400.0


def problems(config: Config, data: dict[str, Any], removed: frozenset[Path]) -> list[Mistake]:
    """Every mistake of this kind; none about what was left out of the config for a mistake of its own."""
    found = [
        *_topics(config),
        *_schemas(config),
        *_files(config),
        *_ingest(config),
        *_ports(config),
        *_servers(config),
        *_rules(config, data),
        *_summaries(config, data, removed),
    ]
    return [Mistake(path, message) for path, message in found if not _about(path, removed)]


def _about(path: Path, removed: frozenset[Path]) -> bool:
    return any(path[: len(other)] == other or other[: len(path)] == path for other in removed)


def _topics(config: Config) -> Iterator[Mistake]:
    if not config.event_types:
        yield Mistake(("event_types",), "expected at least one table [event_types.<type>]")
    seen = dict.fromkeys(OWN_TOPICS, "etld itself")
    for name, kind in config.event_types.items():
        at = ("event_types", name)
        if kind.topic in seen:
            told = "is the topic of {} already; each event type needs its own"
            yield Mistake((*at, "topic"), f"{kind.topic!r} {told.format(seen[kind.topic])}")
        elif kind.topic in (".", ".."):
            yield Mistake((*at, "topic"), f"{kind.topic!r} is no name that Kafka takes")
        seen.setdefault(kind.topic, f"event type {name!r}")
        for event in kind.sample:
            if kind.event_names and event not in kind.event_names:
                yield Mistake((*at, "sample", event), f"{event!r} is not among event_names")


def _schemas(config: Config) -> Iterator[Mistake]:
    for name, kind in config.event_types.items():
        at = ("event_types", name, "schema")
        if not kind.schema.is_file():
            yield Mistake(at, f"there is no file {kind.schema}")
            continue
        try:
            importlib.import_module(_SCHEMAS).parse(json.loads(kind.schema.read_text(encoding="utf-8")))
        except OSError as error:
            yield Mistake(at, f"cannot read {kind.schema}: {error.strerror}")
        except (ValueError, RecursionError) as error:
            yield Mistake(at, f"{kind.schema} is no Avro schema: {error}")


def _files(config: Config) -> Iterator[Mistake]:
    files = {
        ("kafka", "sasl_password_file"): config.kafka.sasl_password_file,
        ("kafka", "ssl_ca_file"): config.kafka.ssl_ca_file,
        ("postgres", "password_file"): config.postgres.password_file,
        ("schema_registry", "password_file"): config.schema_registry.password_file,
        ("ingest", "keys_file"): config.ingest.keys_file,
    }
    for path, file in files.items():
        if file is not None and not file.is_file():
            yield Mistake(path, f"there is no file {file}")


def _ingest(config: Config) -> Iterator[Mistake]:
    ingest = config.ingest
    if ingest.keys_file is not None and ingest.keys_file.is_file():
        for message in importlib.import_module(_KEYS).check(ingest.keys_file, config.event_types):
            yield Mistake(("ingest", "keys_file"), message)
    if ingest.trusted_proxies:
        for message in importlib.import_module(_PROXIES).check(ingest.trusted_proxies):
            yield Mistake(("ingest", "trusted_proxies"), message)
    for i, origin in enumerate(ingest.cors_origins):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            message = f'expected "*" or an origin as a browser sends it, such as "https://shop.example", got {origin!r}'
            yield Mistake(("ingest", "cors_origins", i), message)
    for target, message in importlib.import_module(_SEGMENT).check(ingest.segment_map):
        yield Mistake(("ingest", "segment_map", target), message)


def _ports(config: Config) -> Iterator[Mistake]:
    taken: dict[int, str] = {}
    ports = [(("ingest", "port"), config.ingest.port)]
    if config.kafka.bootstrap_servers == "embedded":
        ports.append((("kafka", "embedded_port"), config.kafka.embedded_port))
    if config.postgres.dsn == "embedded":
        ports.append((("postgres", "embedded_port"), config.postgres.embedded_port))
    for path, port in ports:
        if port and port in taken:
            yield Mistake(path, f"port {port} is {taken[port]} already")
        taken.setdefault(port, ".".join(path))


def _servers(config: Config) -> Iterator[Mistake]:
    yield from _kafka(config.kafka)
    url = config.schema_registry.url
    if url != "embedded" and not re.match(r"https?://[^/?#]", url):
        yield Mistake(("schema_registry", "url"), f'expected "embedded" or an http(s) URL, got {_hidden(url)!r}')
    dsn = config.postgres.dsn
    if dsn != "embedded" and not re.match(r"postgres(ql)?://|\s*[a-z_]+\s*=", dsn):
        message = f'expected "embedded" or a DSN such as "postgresql://user@host/db", got {_hidden(dsn)!r}'
        yield Mistake(("postgres", "dsn"), message)


def _kafka(kafka: Kafka) -> Iterator[Mistake]:
    if not kafka.session_timeout <= kafka.max_poll_interval <= _DAY:
        message = f'expected at least session_timeout ("{format_duration(kafka.session_timeout)}"), at most "1 d"'
        yield Mistake(("kafka", "max_poll_interval"), message)
    if kafka.bootstrap_servers == "embedded":
        if kafka.security_protocol != "plaintext":
            yield Mistake(("kafka", "security_protocol"), 'the embedded broker speaks "plaintext" only')
        return
    for server in kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            message = f'expected "embedded" or "host:port,host:port", got {server.strip()!r}'
            yield Mistake(("kafka", "bootstrap_servers"), message)
    if kafka.security_protocol.startswith("sasl"):
        for key in ("sasl_mechanism", "sasl_username", "sasl_password_file"):
            if not getattr(kafka, key):
                message = f'is missing, and security_protocol = "{kafka.security_protocol}" needs it'
                yield Mistake(("kafka", key), message)


def _hidden(url: str) -> str:
    """A mistyped address without what may be a password."""
    return re.sub(r":[^:@/\s]*@", ":***@", url)


def _rules(config: Config, data: dict[str, Any]) -> Iterator[Mistake]:
    given = data.get("corrector", {}).get("rules", []) if isinstance(data.get("corrector"), dict) else []
    # As they stand in the file, so that one broken rule does not hide the mistakes of the others.
    tables = (
        given if isinstance(given, list) and all(isinstance(rule, dict) for rule in given) else config.corrector.rules
    )
    for key, message in importlib.import_module(_RULES).check(tables):
        yield Mistake(dotted.split(key), message)


def _summaries(config: Config, data: dict[str, Any], removed: frozenset[Path]) -> Iterator[Mistake]:
    yield from _names_in_summaries(config, data)
    # Without a column that was left out, nothing can be said about the chart that shows it.
    partial = {path[1] for path in removed if path[:1] == ("summaries",) and path[2:3] != ("chart",)}
    whole = {name: summary for name, summary in config.summaries.items() if name not in partial}
    for path, message in importlib.import_module(_SUMMARIES).check(whole, config.event_types):
        yield Mistake(tuple(path), message)


def _names_in_summaries(config: Config, data: dict[str, Any]) -> Iterator[Mistake]:
    charts: dict[str, str] = {}
    # As they stand in the file: what was left out for a mistake of its own is not unknown.
    types = _keys(data, "event_types")
    for name, summary in config.summaries.items():
        at = ("summaries", name)
        for i, event_type in enumerate(summary.event_types):
            if event_type not in types:
                yield Mistake((*at, "event_types", i), f"no event type {event_type!r}; known: {_list(types)}")
        if summary.chart is None:
            continue
        if summary.chart.name in charts:
            message = f"the chart of summary {charts[summary.chart.name]!r} has this name already"
            yield Mistake((*at, "chart", "name"), message)
        charts.setdefault(summary.chart.name, name)
        groups, measures = _keys(data, *at, "group_by"), _keys(data, *at, "measures")
        for i, panel in enumerate(summary.chart.panels):
            here = (*at, "chart", "panels", i)
            if panel.value not in measures:
                yield Mistake((*here, "value"), f"no measure {panel.value!r}; known: {_list(measures)}")
            if panel.by and panel.by not in groups:
                yield Mistake((*here, "by"), f"no group column {panel.by!r}; known: {_list(groups)}")
            if not panel.by and panel.kind != "line":
                yield Mistake((*here, "by"), f"a {panel.kind} needs a group column; known: {_list(groups)}")


def _keys(data: Any, *path: str) -> list[str]:
    for piece in path:
        data = data.get(piece) if isinstance(data, dict) else None
    return list(data) if isinstance(data, dict) else []


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
