"""The front door."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from etld.config.sections.base import (
    Duration,
    OptionalFile,
    Port,
    PositiveDuration,
    Section,
    Size,
    Strings,
    Workers,
    at_least,
    quantity,
)
from etld.util.nesting import DEEPEST
from etld.util.ports import url

SEGMENT_MAP = {
    "event_id": "messageId",
    "event_name": "event",
    "event_type": "properties.event_type",
    "triggered_at": "timestamp | originalTimestamp | sentAt | receivedAt",
    "user_details.user_id": "userId",
    "user_details.name": "context.traits.name",
    "user_details.email": "context.traits.email",
    "user_details.country": "context.traits.country",
    "user_details.anonymous_id": "anonymousId",
    "event_details": "properties",
}

#: What `[ingest.segment_calls]` may say beside an event type.
IGNORE, DEAD_LETTER = "ignore", "dead_letter"

Rate = Annotated[float, Field(ge=0)]
PositiveSize = Annotated[Size, at_least(1, "1 B")]


_CALL = 'What becomes of it: an event type, "ignore" (counted) or "dead_letter".'


class SegmentCallsSection(Section):
    """Segment's calls other than track."""

    page: str = Field(IGNORE, description=_CALL)
    screen: str = Field(IGNORE, description=_CALL)
    identify: str = Field(IGNORE, description=_CALL)
    group: str = Field(IGNORE, description=_CALL)
    alias: str = Field(IGNORE, description=_CALL)


class CloudEventSection(Section):
    """The event that a CloudEvent of one `type` is."""

    event_type: str = Field(min_length=1, description="The event type.")
    event_name: str = Field(min_length=1, description="The event's name.")


class IngestSection(Section):
    """The HTTP server that takes events."""

    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: Port = Field(8080, description="The port to listen on; 0 takes any free one.")
    tls_cert_file: OptionalFile = Field(
        None, description='The certificate and those that signed it (PEM), for HTTPS; "" means HTTP.'
    )
    tls_key_file: OptionalFile = Field(None, description="The certificate's private key (PEM), without a password.")
    workers: Workers = Field(1, description="Processes that share the port.")
    ack: Literal["all", "leader", "enqueued"] = Field(
        "all", description="When to answer 200: all in-sync replicas have it, the leader has it, or it is queued here."
    )
    ack_per_request: bool = Field(False, description="May a client choose its level with the header X-Etld-Ack?")
    invalid: Literal["dead_letter", "reject"] = Field(
        "dead_letter", description="An invalid event is kept in the dead letter queue (202) or refused (422)."
    )
    timezone: str = Field("UTC", description="For a triggered_at without a zone.")
    max_age: Duration = quantity("0 s", "A triggered_at older than this is a violation; 0 s means no limit.")
    max_ahead: Duration = quantity("0 s", "A triggered_at further ahead than this is a violation; 0 s: no limit.")
    max_body: PositiveSize = quantity("1 MiB", "The largest body, unpacked; past it the answer is 413.")
    max_event: PositiveSize = quantity("64 KiB", "The largest event; past it the answer is 413.")
    max_batch: int = Field(1000, ge=1, description="Events in one batch.")
    max_depth: int = Field(
        32,
        ge=3,
        le=DEEPEST,
        description=f"How deep an event's JSON may nest; no reader of it holds more than {DEEPEST}.",
    )
    max_connections: int = Field(1024, ge=1, description="Connections open at once, for each process.")
    header_timeout: PositiveDuration = quantity("15 s", "How long a client may take for its headers.")
    body_timeout: PositiveDuration = quantity("30 s", "How long a client may take for its body.")
    keep_alive: PositiveDuration = quantity(
        "75 s", "How long an idle connection is kept; longer than a load balancer before it keeps its own."
    )
    ack_timeout: PositiveDuration = quantity("5 s", "How long an event may wait for Kafka before the answer is 503.")
    queue_limit: Annotated[Size, at_least(1 << 20, "1 MiB")] = quantity(
        "32 MiB", "Bytes that may wait for Kafka; past it the answer is 503."
    )
    rate_per_key: Rate = Field(0, description="Events a second for each write key; 0 means no limit.")
    rate_per_address: Rate = Field(0, description="Events a second for each client address; 0 means no limit.")
    cors_origins: Strings = Field(
        (), description='Origins that browsers may send from, such as "https://shop.example", or "*".'
    )
    trusted_proxies: Strings = Field(
        (), description="Addresses and networks of proxies whose X-Forwarded-For and Forwarded are believed."
    )
    metrics: Literal["open", "loopback", "key"] = Field(
        "open", description="Who may read /metrics: whoever reaches the port, this machine, or who has a write key."
    )
    segment: bool = Field(True, description="Accept Segment's spelling of events on /v1/*.")
    keys_file: OptionalFile = Field(
        None, description='A file of write keys, one table each; "" means no key is asked for.'
    )
    segment_map: dict[str, str] = Field(
        default_factory=lambda: dict(SEGMENT_MAP),
        description="Segment's spelling to etld's: target path = source path. Only read when segment = true.",
    )
    segment_calls: SegmentCallsSection = Field(
        default_factory=lambda: SegmentCallsSection.model_validate({}), description="Segment's calls other than track."
    )
    cloudevents: dict[str, CloudEventSection] = Field(
        default_factory=dict,
        description="CloudEvents' `type` to event type and name; another type is the name of the event.",
    )

    def url(self, port: int | None = None) -> str:
        """Where a client on this machine reaches it; `port` is the one that it has, where 0 is configured."""
        return url("http" if self.tls_cert_file is None else "https", self.host, port or self.port)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f'expected a time zone such as "UTC" or "Europe/Berlin", got {value!r}') from error
        return value
