"""The one-shot kind "setup": may run at any time, any number of times, by several daemons at once."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from etld.avro import EventSchema, SchemaError
from etld.bootstrap.topics import ensure_topics
from etld.errors import EtldError
from etld.kafka import Admin, KafkaProblem, client_settings
from etld.registry import Incompatible, open_registry
from etld.store import db
from etld.store.errors import DatabaseProblem, classify
from etld.store.migrate import migrate

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config
    from etld.kafka.admin import Topic
    from etld.registry import Registry
    from etld.worker import Worker

log = logging.getLogger("etld.setup")

_TRY_FOR = 20.0


def run(worker: Worker) -> None:
    """Bring database, topics and registry to what the configuration asks, then write schemas.json.

    What a restart cannot heal (a schema that is refused, a database of a newer etld) is fatal; the rest
    raises `EtldError` and is tried again.
    """
    config = worker.config
    schemas = _read_schemas(worker)
    try:
        with _connect(worker) as conn:
            for name in migrate(conn):
                log.info("migrated the database: %s", name)
            worker.beat()
            topics = _topics(worker)
            registry = open_registry(config, worker.addresses, conn)
            ids = {name: _register(registry, name, schemas[name], config) for name in config.event_types}
    except (DatabaseProblem, Incompatible) as error:
        worker.fatal(str(error))
    document = {
        "cluster_id": Admin(client_settings(config, worker.addresses)).cluster_id(),
        "event_types": {
            name: {
                "id": ids[name],
                "topic": kind.topic,
                "subject": _subject(kind.topic),
                "schema": json.loads(schemas[name]),
            }
            for name, kind in config.event_types.items()
        },
        "topics": {topic.name: {"id": topic.topic_id, "partitions": topic.partitions} for topic in topics.values()},
    }
    _write(config.schemas_path, document)
    worker.ready()


def _read_schemas(worker: Worker) -> dict[str, str]:
    found = {}
    for name, kind in worker.config.event_types.items():
        assert kind.schema_ is not None
        try:
            text = kind.schema_.read_text(encoding="utf-8")
            EventSchema.parse(text)
        except (OSError, UnicodeDecodeError) as error:
            worker.fatal(f"event type {name}: cannot read {kind.schema_}: {error}")
        except SchemaError as error:
            worker.fatal(f"event type {name}: {kind.schema_}: {error}")
        found[name] = text
    return found


def _connect(worker: Worker) -> db.Connection:
    config = worker.config
    assert worker.addresses.postgres is not None
    deadline = time.monotonic() + _TRY_FOR
    while True:
        try:
            return db.connect(
                worker.addresses.postgres,
                application_name="etld setup",
                password=config.secret("postgres"),
                connect_timeout=config.postgres.connect_timeout,
                statement_timeout=0,
            )
        except Exception as error:
            text = " ".join(str(error).split())
            if classify(error) != "retry" or time.monotonic() > deadline or worker.wait(0.5):
                raise EtldError(f"cannot use PostgreSQL: {text}") from error


def _topics(worker: Worker) -> dict[str, Topic]:
    settings = client_settings(worker.config, worker.addresses)
    deadline = time.monotonic() + _TRY_FOR
    while True:
        try:
            return ensure_topics(Admin(settings), worker.config)
        except KafkaProblem:
            if time.monotonic() > deadline or worker.wait(0.5):
                raise


def _register(registry: Registry, name: str, schema: str, config: Config) -> int:
    subject = _subject(config.event_types[name].topic)
    identity = registry.register(subject, schema)
    log.info("schema of %s is id %d", subject, identity)
    return identity


def _subject(topic: str) -> str:
    return f"{topic}-value"


def _write(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_suffix(".json.new")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.chmod(0o600)
    os.replace(temporary, path)
