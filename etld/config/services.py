"""Where events come from and go to: Kafka, PostgreSQL, the schema registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from etld.config.base import Duration, Section

File = Annotated[Path | None, Field(strict=False)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Kafka(Section):
    """The cluster that events go through."""

    bootstrap_servers: str = Field("embedded", min_length=1, description='"embedded", or "host:port,host:port".')
    embedded_port: Port = Field(19092, description="Port of the embedded broker; 0 takes any free one.")
    embedded_broker: Literal["auto", "kafka", "tansu"] = Field("auto", description="Which broker is embedded.")
    replication: int = Field(0, ge=0, description="Replicas of new topics; 0 means min(3, brokers).")
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    sasl_username: str = ""
    sasl_password_file: File = None
    ssl_ca_file: File = None
    session_timeout: Duration = Field("6 s", ge=1, description="After this a silent member's partitions move.")


class Postgres(Section):
    """The database that events end in."""

    dsn: str = Field("embedded", min_length=1, description='"embedded", or a libpq DSN.')
    embedded_port: Port = Field(15432, description="Port of the embedded server; 0 takes any free one.")
    password_file: File = None
    connect_timeout: Duration = Field("5 s", gt=0)
    statement_timeout: Duration = Field("30 s", gt=0)


class SchemaRegistry(Section):
    """Who gives schemas their ids."""

    url: str = Field("embedded", min_length=1, description='"embedded", or the URL of a Confluent registry.')
    username: str = ""
    password_file: File = None
    compatibility: Literal["BACKWARD", "FORWARD", "FULL", "NONE"] = "BACKWARD"
    timeout: Duration = Field("5 s", gt=0)
