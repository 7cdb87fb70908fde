"""The front door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from etld.config.base import Duration, Section, Size

SEGMENT_MAP = {
    "event_id": "messageId",
    "event_name": "event",
    "event_type": "properties.event_type",
    "triggered_at": "timestamp",
    "user_details.user_id": "userId",
    "user_details.name": "context.traits.name",
    "user_details.email": "context.traits.email",
    "user_details.country": "context.traits.country",
    "event_details": "properties",
}


class Ingest(Section):
    """The HTTP server that takes events."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8080, ge=0, le=65535)
    workers: int = Field(1, ge=0, le=64)
    ack: Literal["all", "leader", "enqueued"] = "all"
    ack_per_request: bool = False
    invalid: Literal["dead_letter", "reject"] = "dead_letter"
    timezone: str = "UTC"
    max_age: Duration = "0 s"  # type: ignore[assignment]
    max_ahead: Duration = "0 s"  # type: ignore[assignment]
    max_body: Size = "1 MiB"  # type: ignore[assignment]
    max_event: Size = "64 KiB"  # type: ignore[assignment]
    max_batch: int = Field(1000, ge=1)
    max_depth: int = Field(32, ge=3, le=1000)
    max_connections: int = Field(1024, ge=1)
    header_timeout: Duration = Field("15 s", gt=0)
    body_timeout: Duration = Field("30 s", gt=0)
    ack_timeout: Duration = Field("5 s", gt=0)
    queue_limit: Size = Field("32 MiB", ge=1 << 20)
    rate_per_key: float = Field(0, ge=0, strict=False)
    rate_per_address: float = Field(0, ge=0, strict=False)
    cors_origins: tuple[str, ...] = Field((), strict=False)
    trusted_proxies: tuple[str, ...] = Field((), strict=False)
    segment: bool = True
    keys_file: Annotated[Path | None, Field(strict=False)] = None
    segment_map: dict[str, str] = Field(default_factory=lambda: dict(SEGMENT_MAP))

    @field_validator("keys_file", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f'expected a time zone such as "UTC" or "Europe/Berlin", got {value!r}') from error
        return value


class EventType(Section):
    """One kind of event: its schema, its topic, who processes it."""

    schema_: Annotated[Path | None, Field(strict=False)] = Field(None, alias="schema", strict=False)
    topic: str = Field("", pattern=r"^[a-zA-Z0-9._-]{0,249}$")
    event_names: tuple[str, ...] = Field((), strict=False)
    partitions: int = Field(3, ge=1, le=10000)
    workers: int = Field(1, ge=0, le=64)
    unknown_fields: Literal["reject", "drop"] = "reject"
    transform: str = Field("", pattern=r"^$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    accept: bool = True
    sample: dict[str, Annotated[float, Field(ge=0, le=1, strict=False)]] = Field(default_factory=dict)

    @property
    def schema(self) -> Path:  # type: ignore[override]  # pydantic's own `schema` is long deprecated
        """The Avro schema's file, absolute after load."""
        return self.schema_ or Path()
