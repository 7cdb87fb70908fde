"""Mistakes that only show when the keys are looked at together, or when the files they name are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etld.config import client_options
from etld.config.key_path import split
from etld.config.mistakes import Mistake
from etld.config.sections.storage import PERIODS
from etld.config.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config.key_path import KeyPath
    from etld.config.model import Config
    from etld.config.sections.base import Section
    from etld.config.sections.services import KafkaSection

#: As a browser sends it: lower case, nothing after the host but a port that is not the scheme's own.
_ORIGIN = re.compile(
    r"(?!https://.*:443$|http://.*:80$)[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
)
# What Kafka's client takes.
_DAY = 86_400.0


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake that needs no more than the configuration and a look for its files."""
    yield from _topics(config)
    yield from _files(config)
    yield from _ports(config)
    yield from check_words(config)


def check_words(config: Config) -> Iterator[Mistake]:
    """Values that are wrong by themselves, wherever the daemon runs."""
    yield from _origins(config)
    yield from _servers(config)
    yield from _storage(config)
    yield from _alerts(config)
    yield from _lake(config)


def _lake(config: Config) -> Iterator[Mistake]:
    lake, postgres = config.lake, config.postgres
    if lake.is_embedded and lake.enabled and postgres.pooler == "transaction" and not postgres.direct_dsn:
        yield Mistake(
            ("lake", "catalog"),
            '"embedded" needs sessions, which the pooler does not keep: name postgres.direct_dsn',
            code="ETLD-C007",
        )
    if lake.catalog in ("rest", "hive", "sql") and "uri" not in lake.properties and lake.credentials_file is None:
        yield Mistake(("lake", "catalog"), f"{lake.catalog!r} needs its uri in [lake.properties]", code="ETLD-C007")
    scheme = lake.warehouse.partition("://")[0] if "://" in lake.warehouse else ""
    if lake.warehouse and not scheme and not lake.warehouse.startswith("/"):
        yield Mistake(("lake", "warehouse"), 'expected a URL such as "s3://bucket/path", or an absolute path')


def _alerts(config: Config) -> Iterator[Mistake]:
    seen: set[str] = set()
    for number, alert in enumerate(config.alerts):
        at = ("alerts", number)
        if alert.name in seen:
            yield Mistake((*at, "name"), f"{alert.name!r} is the name of another one already", code="ETLD-C007")
        seen.add(alert.name)
        if bool(alert.url) == (alert.url_file is not None):
            yield Mistake((*at, "url"), "expected either url or url_file", code="ETLD-C007")
        elif alert.url and (wrong := wrong_webhook(alert.url)):
            yield Mistake((*at, "url"), wrong)


def wrong_webhook(url: str) -> str | None:
    """Why messages cannot be sent to this URL, which the text does not show; None when they can."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        good = False
    return None if good and " " not in url else "expected an http or https URL"


def _topics(config: Config) -> Iterator[Mistake]:
    if not config.event_types:
        yield Mistake(("event_types",), "expected at least one table [event_types.<type>]", code="ETLD-C005")
    seen = dict.fromkeys((config.kafka.dead_letter_topic, config.kafka.parked_topic), "etld itself")
    for name, kind in config.event_types.items():
        at = ("event_types", name)
        if kind.topic in seen:
            told = "is the topic of {} already; each event type needs its own"
            yield Mistake((*at, "topic"), f"{kind.topic!r} {told.format(seen[kind.topic])}", code="ETLD-C007")
        elif kind.topic in (".", ".."):
            yield Mistake((*at, "topic"), f"{kind.topic!r} is no name that Kafka takes")
        seen.setdefault(kind.topic, f"event type {name!r}")
        for event in kind.sample:
            if kind.event_names and event not in kind.event_names:
                yield Mistake((*at, "sample", event), f"{event!r} is not among event_names", code="ETLD-C007")


def _files(config: Config) -> Iterator[Mistake]:
    for number, directory in enumerate(config.python.path):
        if not directory.is_dir():
            yield Mistake(("python", "path", number), f"there is no directory {directory}", code="ETLD-C008")
    for key, file in config.files().items():
        later = not key.startswith("event_types.")
        try:
            if not file.is_file():
                yield Mistake(split(key), f"there is no file {file}", later, code="ETLD-C008")
        except OSError as error:
            yield Mistake(split(key), f"cannot look at {file}: {error.strerror}", later, code="ETLD-C008")


def _origins(config: Config) -> Iterator[Mistake]:
    for i, origin in enumerate(config.ingest.cors_origins):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            message = f'expected "*" or an origin as a browser sends it, such as "https://shop.example", got {origin!r}'
            yield Mistake(("ingest", "cors_origins", i), message)


def _ports(config: Config) -> Iterator[Mistake]:
    taken: dict[int, str] = {}
    ports = [(("ingest", "port"), config.ingest.port)]
    if config.console.enabled:
        ports.append((("console", "port"), config.console.port))
    if config.kafka.bootstrap_servers == "embedded":
        ports.append((("kafka", "embedded_port"), config.kafka.embedded_port))
    if config.postgres.dsn == "embedded":
        ports.append((("postgres", "embedded_port"), config.postgres.embedded_port))
    for path, port in ports:
        if port and port in taken:
            yield Mistake(path, f"port {port} is {taken[port]} already", code="ETLD-C007")
        taken.setdefault(port, ".".join(path))


def _servers(config: Config) -> Iterator[Mistake]:
    yield from _kafka(config.kafka)
    yield from _pair("ingest", "tls_cert_file", "tls_key_file", config.ingest)
    yield from _pair("console", "tls_cert_file", "tls_key_file", config.console)
    url = config.schema_registry.url
    if url != "embedded" and not re.match(r"https?://[^/?#]", url):
        yield Mistake(("schema_registry", "url"), f'expected "embedded" or an http(s) URL, got {_hidden(url)!r}')
    yield from _pair("schema_registry", "cert_file", "key_file", config.schema_registry)
    for key in ("dsn", "migration_dsn", "direct_dsn"):
        dsn = getattr(config.postgres, key)
        given = dsn not in ("embedded", "") if key == "dsn" else dsn != ""
        if given and not re.match(r"postgres(ql)?://|\s*[a-z_]+\s*=", dsn):
            embedded = '"embedded" or ' if key == "dsn" else ""
            message = f'expected {embedded}a DSN such as "postgresql://user@host/db", got {_hidden(dsn)!r}'
            yield Mistake(("postgres", key), message, code="ETLD-C015")
        elif given and key != "dsn" and config.postgres.dsn == "embedded":
            yield Mistake(("postgres", key), 'the embedded server is reached by "embedded" only', code="ETLD-C007")
    if config.postgres.pooler and config.postgres.dsn == "embedded":
        yield Mistake(("postgres", "pooler"), "the embedded server is behind no pooler", code="ETLD-C007")


def _kafka(kafka: KafkaSection) -> Iterator[Mistake]:
    if not kafka.session_timeout <= kafka.max_poll_interval <= _DAY:
        message = f'expected at least session_timeout ("{format_duration(kafka.session_timeout)}"), at most "1 d"'
        yield Mistake(("kafka", "max_poll_interval"), message, code="ETLD-C007")
    yield from client_options.check(kafka.client)
    yield from _pair("kafka", "ssl_cert_file", "ssl_key_file", kafka)
    if kafka.bootstrap_servers == "embedded":
        if kafka.security_protocol != "plaintext":
            yield Mistake(
                ("kafka", "security_protocol"),
                "leave it out: the embedded broker has a password of its own",
                code="ETLD-C007",
            )
        return
    for server in kafka.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            message = f'expected "embedded" or "host:port,host:port", got {server.strip()!r}'
            yield Mistake(("kafka", "bootstrap_servers"), message)
    if kafka.security_protocol.startswith("sasl"):
        oauth = kafka.sasl_mechanism == "OAUTHBEARER"
        keys = ("oauth_client_id", "oauth_client_secret_file", "oauth_token_url")
        for key in keys if oauth else ("sasl_mechanism", "sasl_username", "sasl_password_file"):
            if not getattr(kafka, key):
                message = f'is missing, and security_protocol = "{kafka.security_protocol}" needs it'
                yield Mistake(("kafka", key), message, later=key != "sasl_mechanism", code="ETLD-C005")


def _storage(config: Config) -> Iterator[Mistake]:
    storage = config.storage
    window, kept = format_duration(storage.dedup_window), storage.retention
    if kept is not None and kept < storage.dedup_window:
        message = f'expected at most storage.retention ("{format_duration(kept)}"): with its row an id is forgotten'
        yield Mistake(("storage", "dedup_window"), message, code="ETLD-C007")
    elif storage.partition in PERIODS and PERIODS[storage.partition] > PERIODS[storage.longest or "day"]:
        message = f'"{storage.partition}" is longer than storage.dedup_window ("{window}"): take "{storage.longest}"'
        yield Mistake(("storage", "partition"), message, code="ETLD-C007")
    for name, kind in config.event_types.items():
        own = kind.retention
        if own is None:
            continue
        if kept is not None and own > kept:
            message = f'expected at most storage.retention ("{format_duration(kept)}"), after which whole partitions go'
            yield Mistake(("event_types", name, "retention"), message, code="ETLD-C007")
        elif own < storage.dedup_window:
            message = f'expected at least storage.dedup_window ("{window}"): with its row an id is forgotten'
            yield Mistake(("event_types", name, "retention"), message, code="ETLD-C007")


def _pair(section: str, certificate: str, key: str, values: Section) -> Iterator[Mistake]:
    """A certificate and its key are of use together."""
    for one, other in ((certificate, key), (key, certificate)):
        if getattr(values, other) and not getattr(values, one):
            yield Mistake((section, one), f"is missing, and {other} needs it", code="ETLD-C005")


def _hidden(url: str) -> str:
    """A mistyped address without what may be a password."""
    return re.sub(r":[^:@/\s]*@", ":***@", url)
