"""Relative paths, and the other values that depend on where the file is and on which host."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from etld.config import inner_paths, names
from etld.config.model import Config
from etld.config.sections.base import Section

_started_in: list[Path] = []


def look_from(directory: Path) -> None:
    """Find what is found by the working directory in this one, whichever that is later."""
    _started_in[:] = [directory]


def started_in() -> Path | None:
    """What `look_from` was told last."""
    return _started_in[0] if _started_in else None


def root(source: Path) -> Path:
    """Where relative paths of a file begin: its directory, or the one above a directory called config."""
    return source.parent.parent if source.parent.name == "config" else source.parent


def absolute(path: Path, source: Path) -> Path:
    """A path of a file, made absolute."""
    with contextlib.suppress(RuntimeError):  # a ~ of nobody's is a directory's name
        path = path.expanduser()
    return Path(os.path.normpath(root(source) / path))


def resolve(config: Config, source: Path) -> Config:
    """Every path absolute, every default that depends on a name filled in."""

    def inner(written: str) -> str:
        return str(absolute(Path(written), source))

    def below(section: Section) -> dict[str, Any]:
        return {
            name: absolute(value, source) if isinstance(value, Path) else value.model_copy(update=below(value))
            for name, value in section
            if isinstance(value, Path | Section)
        }

    types = {}
    for name, kind in config.event_types.items():
        given = kind.schema_ or Path(f"schemas/{name}.avsc")
        schema = absolute(given, source)
        here = Path(*_started_in, given)
        if not schema.exists() and here.exists():
            schema = here.absolute()
        topic = kind.topic or config.kafka.prefixed(names.event_topic(name))
        types[name] = kind.model_copy(update={"schema_": schema, "topic": topic})
    sections = below(config)
    kafka, postgres = sections["kafka"], sections["postgres"]
    addresses = {
        name: inner_paths.in_dsn(getattr(postgres, name), inner) for name in ("dsn", "direct_dsn", "migration_dsn")
    }
    python = config.python.model_copy(update={"path": tuple(absolute(one, source) for one in config.python.path)})
    update = {
        **sections,
        "kafka": kafka.model_copy(update={"client": inner_paths.in_options(kafka.client, inner)}),
        "postgres": postgres.model_copy(update=addresses),
        "python": python,
        "alerts": tuple(alert.model_copy(update=below(alert)) for alert in config.alerts),
        "event_types": types,
        "node_id": config.node_id or socket.gethostname(),
    }
    return config.model_copy(update=update).read_from(source)
