"""The whole configuration, resolved: paths absolute, times in seconds, sizes in bytes."""

from __future__ import annotations

import contextlib
import os
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from etld import logs
from etld.config import names
from etld.config.secrets import inside, is_secret, secrets_of_webhook, split
from etld.config.sections.alerts import AlertSection
from etld.config.sections.base import AnyPath, Matching, Section
from etld.config.sections.console import ConsoleSection
from etld.config.sections.events import BreakerSection, EventTypeSection, ProcessorSection, TypeName
from etld.config.sections.ingest import IngestSection
from etld.config.sections.lake import LakeSection
from etld.config.sections.operation import (
    ROLES,
    CorrectorSection,
    LogSection,
    PythonSection,
    RolesSection,
    SupervisorSection,
)
from etld.config.sections.services import KafkaSection, PostgresSection, SchemaRegistrySection
from etld.config.sections.storage import StorageSection, with_fitting_window
from etld.config.sections.summaries import AggregatorSection, ChartsSection, SummaryName, SummarySection
from etld.errors import EtldError

#: Keys of files that hold a secret, by the secret's name.
_SECRETS = {
    "kafka": "kafka.sasl_password_file",
    "kafka_key": "kafka.ssl_key_password_file",
    "kafka_oauth": "kafka.oauth_client_secret_file",
    "lake": "lake.credentials_file",
    "postgres": "postgres.password_file",
    "schema_registry": "schema_registry.password_file",
}
#: Certificates and keys.
_TLS_FILES = (
    "console.tls_cert_file",
    "console.tls_key_file",
    "ingest.tls_cert_file",
    "ingest.tls_key_file",
    "kafka.ssl_ca_file",
    "kafka.ssl_cert_file",
    "kafka.ssl_key_file",
    "schema_registry.ca_file",
    "schema_registry.cert_file",
    "schema_registry.key_file",
)

_MIGRATION = "postgres.migration_password_file"
#: Files that an [[alerts]] names.
_ALERT_FILES = ("url_file", "secret_file", "ca_file")


def _section(model: Any, description: str) -> Any:
    return Field(default_factory=model, description=description)


class Config(Section):
    """Every key of the TOML file, by its path."""

    node_id: Annotated[str, Matching(r"[A-Za-z0-9._-]{0,200}", "letters, digits, dots, - and _")] = Field(
        "", description='Names this daemon among others of the same cluster; "" means the host name.'
    )
    state_dir: AnyPath = Field(
        "./var", validate_default=True, description="Socket, pid file, logs, and the data of the embedded parts."
    )
    kafka: KafkaSection = _section(KafkaSection, "The cluster that events go through.")
    postgres: PostgresSection = _section(PostgresSection, "The database that events end in.")
    schema_registry: SchemaRegistrySection = _section(SchemaRegistrySection, "Who gives schemas their ids.")
    ingest: IngestSection = _section(IngestSection, "The HTTP server that takes events.")
    event_types: dict[TypeName, EventTypeSection] = _section(dict, "One table an event type.")
    processor: ProcessorSection = _section(ProcessorSection, "How large a batch is.")
    storage: StorageSection = _section(StorageSection, "How long events are kept, and in what partitions.")
    breaker: BreakerSection = _section(BreakerSection, "When most of what comes is dead, stop.")
    lake: LakeSection = _section(LakeSection, "The events as tables of Apache Iceberg.")
    aggregator: AggregatorSection = _section(AggregatorSection, "Who keeps the running summaries.")
    charts: ChartsSection = _section(ChartsSection, "When charts are drawn, and where.")
    summaries: dict[SummaryName, SummarySection] = _section(
        dict, "A summary becomes the table etld.summary_<name> and, with a chart, a picture."
    )
    corrector: CorrectorSection = _section(CorrectorSection, "Who repairs dead letters.")
    console: ConsoleSection = _section(ConsoleSection, "The web page for people.")
    alerts: Annotated[tuple[AlertSection, ...], Field(strict=False)] = Field(
        (), description="Who is told of what is wrong: one table a webhook."
    )
    roles: RolesSection = _section(RolesSection, "Which kinds of workers run on this host.")
    python: PythonSection = _section(PythonSection, "Where transforms and hooks are.")
    supervisor: SupervisorSection = _section(SupervisorSection, "Patience with workers.")
    log: LogSection = _section(LogSection, "What is said, how, and where.")

    _source: Path = PrivateAttr(default=Path())

    @model_validator(mode="before")
    @classmethod
    def _dedup_window(cls, data: Any) -> Any:
        return with_fitting_window(data)

    def read_from(self, source: Path) -> Self:
        """This configuration, which knows its file from now on."""
        self._source = source
        return self

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

    @property
    def unknown_schemas_path(self) -> Path:
        """The schema ids that the registry does not know."""
        return self.state_dir / "unknown_schemas.json"

    @property
    def alerts_path(self) -> Path:
        """What webhooks were told, and what waits for them."""
        return self.state_dir / "alerts.json"

    @property
    def console_tokens_path(self) -> Path:
        """When each bearer token of the console was used last."""
        return self.state_dir / "console_tokens.json"

    @property
    def erasure_key_path(self) -> Path:
        """The key under which subjects of erasures are hashed."""
        return self.storage.erasure_key_file or self.state_dir / "erasure.key"

    @property
    def consumer_groups(self) -> list[str]:
        """Every consumer group that its workers may join, as Kafka knows it."""
        own = [*(f"{names.PROCESSOR}{name}" for name in self.event_types), names.AGGREGATOR, names.CORRECTOR]
        own += [f"{names.LAKE}{name}" for name in self.event_types if self.lake.enabled]
        return [self.kafka.prefixed(name) for name in own]

    def runs(self, kind: str) -> bool:
        """Does this host run workers of a kind?"""
        return kind not in ROLES or kind in self.roles.run

    def log_settings(self) -> logs.LogSettings:
        """[log], with the secrets that no line may show."""
        return logs.LogSettings(self.log.level, self.log.format, tuple(self.secrets()))

    def files(self) -> dict[str, Path]:
        """Every file that it names, by key."""
        named = {
            **{f"event_types.{name}.schema": kind.schema for name, kind in self.event_types.items()},
            "console.users_file": self.console.users_file,
            "console.tokens_file": self.console.tokens_file,
            "ingest.keys_file": self.ingest.keys_file,
            _MIGRATION: self.postgres.migration_password_file,
            **{key: self._file(key) for key in (*_TLS_FILES, *_SECRETS.values())},
            **{
                f"alerts[{number}].{name}": getattr(alert, name)
                for number, alert in enumerate(self.alerts)
                for name in _ALERT_FILES
            },
        }
        return {key: path for key, path in named.items() if path is not None}

    def _file(self, key: str) -> Path | None:
        section, _, name = key.partition(".")
        path: Path | None = getattr(getattr(self, section), name)
        return path

    def secret(self, name: str) -> str | None:
        """A secret of "kafka", "postgres" or another name in _SECRETS, read now from its file; None without one.

        PostgreSQL's may stand in the DSN instead. It appears in no log line from then on. Raises `EtldError` when
        the file cannot be read.
        """
        path = self._file(_SECRETS[name])
        if path is None:
            return split(self.postgres.dsn)[1] if name == "postgres" else None
        return self.read_secret(_SECRETS[name], path)

    def migration_dsn(self) -> tuple[str, str | None]:
        """Address (without a password) and password of `postgres.migration_dsn`; raises `EtldError`."""
        address, password = split(self.postgres.migration_dsn)
        path = self.postgres.migration_password_file
        return address, (password if path is None else self.read_secret(_MIGRATION, path))

    def direct_dsn(self) -> str:
        """`postgres.direct_dsn` without a password; "" when there is none."""
        return split(self.postgres.direct_dsn)[0]

    @staticmethod
    def read_secret(key: str, path: Path) -> str:
        """The secret in a file; it appears in no log line from then on. Raises `EtldError` that begins with `key`."""
        try:
            secret = path.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise EtldError(f"{key}: cannot read {path}: {reason}", code="ETLD-C011") from error
        if not secret:
            raise EtldError(f"{key}: {path} is empty, and should hold the secret in one line", code="ETLD-C011")
        logs.hide(secret)
        return secret

    def secret_of(self, alert: AlertSection, name: str) -> str:
        """What "url" or "secret" of an [[alerts]] says, read now from its file; "" for none. Raises as `secret`."""
        path: Path | None = getattr(alert, f"{name}_file")
        if path is not None:
            return self.read_secret(f"alerts[{self.alerts.index(alert)}].{name}_file", path)
        return alert.url if name == "url" else ""

    def secrets(self) -> list[str]:
        """Every password that can be read now, those inside addresses too."""
        postgres = self.postgres
        addresses = (postgres.dsn, postgres.migration_dsn, postgres.direct_dsn, self.schema_registry.url)
        found = [secret for address in addresses for secret in inside(address)]
        found += [str(value) for name, value in self.kafka.client.items() if is_secret(name)]
        found += [str(value) for name, value in self.lake.properties.items() if is_secret(name)]
        if postgres.migration_password_file is not None:
            with contextlib.suppress(EtldError):
                found.append(self.read_secret(_MIGRATION, postgres.migration_password_file))
        for name in _SECRETS:
            with contextlib.suppress(EtldError):
                found.append(self.secret(name) or "")
        for alert, name in product(self.alerts, ("url", "secret")):
            with contextlib.suppress(EtldError):
                secret = self.secret_of(alert, name)
                found += secrets_of_webhook(secret) if name == "url" else [secret]
        return [secret for secret in found if secret]
