"""Where events come from and go to: Kafka, PostgreSQL, the schema registry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etld.config import names
from etld.config.sections.base import (
    Duration,
    Matching,
    OptionalFile,
    Port,
    PositiveDuration,
    Section,
    at_least,
    quantity,
)
from etld.config.sections.storage import Retention

# With the longest event type a topic still has the 249 characters that Kafka takes.
_Prefix = Annotated[str, Matching(r"[A-Za-z0-9._-]{0,180}", "at most 180 letters, digits, dots, - and _")]

#: What the role of readers is called where nobody says otherwise.
READER_ROLE = "etld_reader"
_Role = Annotated[str, Matching(r"[A-Za-z0-9_-]{0,63}", "at most 63 letters, digits, - and _")]


class KafkaSection(Section):
    """The cluster that events go through."""

    bootstrap_servers: str = Field("embedded", min_length=1, description='"embedded", or "host:port,host:port".')
    embedded_port: Port = Field(19092, description="Port of the embedded broker; 0 takes any free one.")
    embedded_broker: Literal["auto", "kafka", "tansu"] = Field(
        "auto", description="Which broker is embedded; auto: Apache Kafka where Java 17+ and Maven are, else Tansu."
    )
    prefix: _Prefix = Field(
        "", description="Stands before the names of topics and consumer groups; another for each daemon of a cluster."
    )
    replication: int = Field(
        0, ge=0, le=32767, description="Replicas of topics that etld creates; 0 means min(3, brokers)."
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How brokers are spoken to."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "", description="For sasl_plaintext and sasl_ssl."
    )
    sasl_username: str = Field("", description="Who etld is to the brokers.")
    sasl_password_file: OptionalFile = Field(None, description="Holds the password: one line.")
    ssl_ca_file: OptionalFile = Field(None, description="The CA that signed the brokers' certificates (PEM).")
    ssl_cert_file: OptionalFile = Field(None, description="etld's own certificate, for brokers that ask for one (PEM).")
    ssl_key_file: OptionalFile = Field(None, description="The certificate's private key (PEM).")
    ssl_key_password_file: OptionalFile = Field(None, description="Holds the private key's password: one line.")
    oauth_client_id: str = Field("", description='For sasl_mechanism = "OAUTHBEARER": who asks for tokens.')
    oauth_client_secret_file: OptionalFile = Field(None, description="Holds the client's secret: one line.")
    oauth_token_url: str = Field("", description="The token endpoint (OpenID Connect, client credentials).")
    oauth_scope: str = Field("", description="The scope that is asked for.")
    client: dict[str, str | int | float | bool] = Field(
        {}, description="Options of librdkafka for every client, by their own names."
    )
    letter_retention: Retention = quantity(
        "30 d", "dead_letter_queue and parked_events keep records for so long; the letters are in PostgreSQL."
    )
    session_timeout: Annotated[Duration, at_least(1, "1 s")] = quantity(
        "6 s", "A static member's partitions are taken over after this long."
    )
    max_poll_interval: Annotated[Duration, at_least(1, "1 s")] = quantity(
        "5 min", "A consumer that has not asked for records for so long loses its partitions; at least session_timeout."
    )

    def prefixed(self, name: str) -> str:
        """A topic of etld's own, or a consumer group, as Kafka knows it."""
        return f"{self.prefix}{name}"

    @property
    def dead_letter_topic(self) -> str:
        """Where dead letters go."""
        return self.prefixed(names.DEAD_LETTER_TOPIC)

    @property
    def parked_topic(self) -> str:
        """Where letters go that no rule repairs."""
        return self.prefixed(names.PARKED_TOPIC)


class PostgresSection(Section):
    """The database that events end in."""

    dsn: str = Field("embedded", min_length=1, description='"embedded", or a DSN: "postgresql://etld@db.example/etld".')
    embedded_port: Port = Field(15432, description="Port of the embedded server; 0 takes any free one.")
    password_file: OptionalFile = Field(None, description="Holds the password, so that it stands in no DSN: one line.")
    migration_dsn: str = Field(
        "", description="Set-up makes and changes the tables as this user, and grants the one of dsn what it needs."
    )
    migration_password_file: OptionalFile = Field(None, description="Holds the password of migration_dsn: one line.")
    reader_role: _Role = Field(
        "auto",
        description="A role that may read events, views and summaries, and nothing else; set-up makes it. auto:"
        f' {READER_ROLE} in the embedded server, none elsewhere; "" for none.',
    )
    pooler: Literal["", "transaction"] = Field(
        "", description="What dsn leads to: the server, or a pooler that gives each transaction a session."
    )
    direct_dsn: str = Field(
        "", description="With a pooler: the server itself, for the little that needs a session; user as in dsn."
    )
    connect_timeout: Annotated[Duration, at_least(1, "1 s")] = quantity("5 s", "How long to try one connection.")
    statement_timeout: PositiveDuration = quantity("30 s", "How long one statement may take.")

    @property
    def reader(self) -> str:
        """The role of readers; "" when there is none."""
        if self.reader_role != "auto":
            return self.reader_role
        return READER_ROLE if self.dsn == "embedded" else ""


class SchemaRegistrySection(Section):
    """Who gives schemas their ids."""

    url: str = Field(
        "embedded",
        min_length=1,
        description='"embedded" (a table in PostgreSQL), or the URL of a Confluent-compatible registry.',
    )
    username: str = Field("", description="For a registry that asks who you are.")
    password_file: OptionalFile = Field(None, description="Holds the password: one line.")
    ca_file: OptionalFile = Field(None, description="The CA that signed the registry's certificate (PEM).")
    cert_file: OptionalFile = Field(None, description="etld's own certificate, for a registry that asks for one (PEM).")
    key_file: OptionalFile = Field(None, description="The certificate's private key (PEM), without a password.")
    compatibility: Literal["BACKWARD", "FORWARD", "FULL", "NONE"] = Field(
        "BACKWARD", description="What a new schema version must be to the versions before it."
    )
    id_bytes: Literal[4, 8] = Field(
        4, description="8: other producers may write schema ids in eight bytes, as Apicurio's older serializers do."
    )
    timeout: PositiveDuration = quantity("5 s", "How long to wait for an answer.")
