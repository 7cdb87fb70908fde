"""The whole configuration, resolved: paths absolute, times in seconds, sizes in bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr

from etld.config.base import Section
from etld.config.flow import Aggregator, Breaker, Charts, Corrector, Log, Processor, Summary, Supervisor
from etld.config.ingest import EventType, Ingest
from etld.config.services import Kafka, Postgres, SchemaRegistry
from etld.errors import EtldError


class Config(Section):
    """Every key of the TOML file, by its path."""

    node_id: str = Field("", pattern=r"^[A-Za-z0-9._-]*$", description='"" means the host name.')
    state_dir: Annotated[Path, Field(strict=False)] = Path("./var")
    kafka: Kafka = Field(default_factory=Kafka)
    postgres: Postgres = Field(default_factory=Postgres)
    schema_registry: SchemaRegistry = Field(default_factory=SchemaRegistry)
    ingest: Ingest = Field(default_factory=Ingest)
    event_types: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], EventType] = Field(
        default_factory=dict
    )
    processor: Processor = Field(default_factory=Processor)
    breaker: Breaker = Field(default_factory=Breaker)
    aggregator: Aggregator = Field(default_factory=Aggregator)
    charts: Charts = Field(default_factory=Charts)
    summaries: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Summary] = Field(
        default_factory=dict
    )
    corrector: Corrector = Field(default_factory=Corrector)
    supervisor: Supervisor = Field(default_factory=Supervisor)
    log: Log = Field(default_factory=Log)

    _source: Path = PrivateAttr(default=Path())
    _secrets: bool = PrivateAttr(default=True)

    @property
    def source(self) -> Path:
        """The file it was read from."""
        return self._source

    @property
    def runtime_dir(self) -> Path:
        """Where socket and pid file are: systemd's RUNTIME_DIRECTORY, else the state directory."""
        return Path(os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or self.state_dir)

    @property
    def socket_path(self) -> Path:
        """The control socket."""
        return self.runtime_dir / "etld.sock"

    @property
    def pid_path(self) -> Path:
        """The supervisor's pid file."""
        return self.runtime_dir / "etld.pid"

    @property
    def log_dir(self) -> Path:
        """Logs of the daemon and of the embedded parts."""
        return self.state_dir / "log"

    @property
    def schemas_path(self) -> Path:
        """What set-up resolved for ingest: topics, schema ids, schemas."""
        return self.state_dir / "schemas.json"

    def secret(self, section: str) -> str | None:
        """The password of "kafka", "postgres" or "schema_registry", read now from its file; None without one.

        Raises `EtldError` when the file cannot be read.
        """
        key = "sasl_password_file" if section == "kafka" else "password_file"
        path: Path | None = getattr(getattr(self, section), key)
        if path is None:
            return None
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EtldError(f"{section}.{key}: cannot read {path}: {error}") from error
