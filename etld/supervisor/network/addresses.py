"""Where every part is: from the configuration, and from ports chosen once and remembered."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from etld.config.secrets import split
from etld.errors import EtldError, PortTaken
from etld.util.files import write_atomically
from etld.util.ports import LOOPBACK, free_port, is_free
from etld.worker import EMBEDDED, Addresses

if TYPE_CHECKING:
    from etld.config import Config


def choose_ports(config: Config) -> dict[str, int]:
    """Ports of "kafka", "postgres", "http" and "console"; a configured 0 becomes a free one, always the same."""
    path = config.state_dir / "ports.json"
    try:
        known = {str(k): int(v) for k, v in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        known = {}
    asked = {
        "kafka": config.kafka.embedded_port,
        "postgres": config.postgres.embedded_port,
        "http": config.ingest.port,
        "console": config.console.port,
    }
    ports = {name: port or known.get(name) or free_port() for name, port in asked.items()}
    chosen = {name: ports[name] for name, port in asked.items() if port == 0}
    if chosen and {**known, **chosen} != known:
        write_atomically(path, json.dumps({**known, **chosen}).encode() + b"\n")
    return ports


def check_embedded_ports(config: Config, ports: dict[str, int]) -> None:
    """Raise PortTaken when a stranger listens where an embedded part is to."""
    parts = [
        ("kafka", config.kafka.bootstrap_servers, "the embedded broker", "kafka.embedded_port"),
        ("postgres", config.postgres.dsn, "the embedded PostgreSQL", "postgres.embedded_port"),
    ]
    for name, value, what, key in parts:
        if value == EMBEDDED and not is_free(ports[name]):
            raise PortTaken(
                f"{LOOPBACK}:{ports[name]} is in use by another program, and {what} is to listen there:"
                f" stop that program, or set {key}"
            )


def resolve(config: Config, ports: dict[str, int]) -> Addresses:
    """What a client connects to; no password is in that of PostgreSQL."""
    kafka = config.kafka.bootstrap_servers
    dsn = config.postgres.dsn
    passfile = quote(str(config.state_dir / "postgres.pass"))
    kafka_passfile = _kafka_passfile(config)
    return Addresses(
        http=config.ingest.url(ports["http"]),
        kafka=f"{LOOPBACK}:{ports['kafka']}" if kafka == EMBEDDED else kafka,
        postgres=(
            f"postgresql://etld@{LOOPBACK}:{ports['postgres']}/etld?passfile={passfile}"
            if dsn == EMBEDDED
            else split(dsn)[0]
        ),
        schema_registry=config.schema_registry.url,
        control=str(config.socket_path),
        # A daemon that this one takes over from may know of no console.
        console=config.console.url(ports.get("console")) if config.console.enabled else None,
        kafka_passfile=str(kafka_passfile) if kafka == EMBEDDED and kafka_passfile.is_file() else None,
    )


def make_kafka_passfile(config: Config) -> None:
    """Make the password that the embedded broker asks for, if it is not there; Tansu asks for none.

    To be called when no client and no broker of this daemon runs: those that run keep to what was when they began.
    """
    from etld.embedded import choice

    path = _kafka_passfile(config)
    if config.kafka.bootstrap_servers == EMBEDDED:
        if choice.choose(config) == "tansu":
            path.unlink(missing_ok=True)
        elif not path.is_file():
            write_atomically(path, f"{secrets.token_urlsafe(24)}\n".encode())


def _kafka_passfile(config: Config) -> Path:
    return config.state_dir / "kafka.pass"


def make_directories(config: Config) -> None:
    """Make the state directory and its log directory, for the owner only; raises EtldError."""
    for path in (config.state_dir, config.log_dir, config.runtime_dir):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise EtldError(f"state_dir: cannot write to {_blame(path)}: {error.strerror}", code="ETLD-S005") from error


def _blame(path: Path) -> Path:
    """The nearest part of a path that exists and is the reason."""
    for part in (path, *path.parents):
        if part.exists():
            return part if not part.is_dir() or part == path else path
    return path
