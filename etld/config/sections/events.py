"""Event types, and the way they go to the table: batches and the breaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from etld.config.sections.base import (
    Duration,
    FunctionName,
    Matching,
    OptionalFile,
    Section,
    Size,
    Strings,
    Workers,
    at_least,
    quantity,
)
from etld.config.sections.storage import Retention

TypeName = Annotated[str, Matching(r"[a-z][a-z0-9_]{0,62}", "a name of a-z, 0-9 and _ that begins with a letter")]
Topic = Annotated[str, Matching(r"[A-Za-z0-9._-]{0,249}", "a topic of at most 249 letters, digits, dots, - and _")]
Share = Annotated[float, Field(ge=0, le=1)]


class EventTypeSection(Section):
    """One kind of event: its schema, its topic, who processes it."""

    schema_: OptionalFile = Field(
        None, alias="schema", description="Where its Avro schema is; the default is schemas/<type>.avsc."
    )
    topic: Topic = Field("", description='Its Kafka topic, as it is; "" means event_<type> behind kafka.prefix.')
    event_names: Strings = Field((), description="Names that ingest accepts; [] means any.")
    partitions: int = Field(3, ge=1, le=10000, description="Partitions of its topic when etld creates it.")
    workers: Workers = Field(1, description="Processor workers.")
    unknown_fields: Literal["reject", "drop"] = Field(
        "reject", description="A field the schema does not know makes the event invalid, or is left out."
    )
    transform: FunctionName = Field(
        "", description='A function "module:function" (frame) -> frame that every batch goes through; "" for none.'
    )
    accept: bool = Field(
        True, description="May clients send this type over HTTP? false: only repairs and foreign producers."
    )
    sample: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of events kept by event name; the same event_id always decides the same.",
    )

    retention: Retention = quantity(
        "forever", 'Its events are kept for so long, when that is less than storage.retention; "forever": as there.'
    )

    @property
    def schema(self) -> Path:  # type: ignore[override]  # pydantic's own `schema` is long deprecated
        """The Avro schema's file; load made it absolute and gave it its default."""
        return self.schema_ or Path()


class ProcessorSection(Section):
    """How large a batch is."""

    batch_max_records: int = Field(
        10000, ge=1, description="A batch is closed when it holds this many records, or when nothing more is waiting."
    )
    batch_max_bytes: Annotated[Size, at_least(1024, "1 KiB")] = quantity("4 MiB", "The same in bytes of Kafka values.")
    linger: Duration = quantity("50 ms", "How long a record may wait for company.")


class BreakerSection(Section):
    """When most of what comes is dead, stop."""

    ratio: Share = Field(
        0.5, description="When more than this share of the last `window` records is dead, pause and alarm; 0: never."
    )
    window: int = Field(1000, ge=1, description="How many records are looked at.")
    retry_after: Duration = quantity("30 s", "One batch is let through after this long; 0 s waits for `etld resume`.")
