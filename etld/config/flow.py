"""What happens to events between the topic and the table, the charts and the dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from etld.config.base import Duration, Section, Size

Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,40}$")]


class Processor(Section):
    """How large a batch is."""

    batch_max_records: int = Field(20000, ge=1)
    batch_max_bytes: Size = Field("16 MiB", ge=1)
    linger: Duration = "50 ms"  # type: ignore[assignment]


class Breaker(Section):
    """When most of what comes is dead, stop."""

    ratio: float = Field(0.5, ge=0, le=1, strict=False)
    window: int = Field(1000, ge=1)
    retry_after: Duration = "30 s"  # type: ignore[assignment]


class Aggregator(Section):
    """Who keeps the running summaries."""

    workers: int = Field(1, ge=0, le=64)
    batch_max_records: int = Field(50000, ge=1)
    dedup_window: Duration = Field("7 d", ge=3600)


class Charts(Section):
    """When charts are drawn, and where."""

    dir: Annotated[Path, Field(strict=False)] = Path("./event_summary_charts")
    every: Duration = Field("5 min", gt=0)
    every_events: int = Field(1000, ge=1)
    idle: Duration = Field("2 s", gt=0)
    keep: int = Field(20, ge=1)
    dpi: int = Field(300, ge=50, le=1200)


class Measure(Section):
    """`sum`, `avg`, `min` or `max` of one numeric field; exactly one of them."""

    sum: str | None = None
    avg: str | None = None
    min: str | None = None
    max: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Measure:
        if len([value for value in self.model_dump().values() if value is not None]) != 1:
            raise ValueError('expected "count" or one of { sum = "…" }, { avg = "…" }, { min = "…" }, { max = "…" }')
        return self


class Panel(Section):
    """One picture of a chart."""

    kind: Literal["bar", "donut", "line"]
    title: str = ""
    by: str
    value: str
    unit: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class Chart(Section):
    """A summary's picture: its file name, title and panels."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    title: str
    panels: tuple[Panel, ...] = Field(strict=False, min_length=1)


class Summary(Section):
    """A running summary: the table etld.summary_<name>."""

    event_types: tuple[str, ...] = Field(strict=False, min_length=1)
    filter: dict[str, tuple[Any, ...]] = Field(default_factory=dict, strict=False)
    group_by: dict[Identifier, str] = Field(default_factory=dict)
    measures: dict[Identifier, Literal["count"] | Measure] = Field(min_length=1)
    bucket: Duration = Field("1 h", gt=0)
    chart: Chart | None = None

    @field_validator("filter", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: tuple(item) if isinstance(item, list) else (item,) for key, item in value.items()}
        return value


class Rule(Section):
    """One correction rule: what it matches, and its steps or its hook."""

    name: str = Field(min_length=1, max_length=100)
    match: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = Field((), strict=False)
    hook: str = Field("", pattern=r"^$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")


class Corrector(Section):
    """Who repairs dead letters."""

    workers: int = Field(1, ge=0, le=64)
    max_attempts: int = Field(3, ge=1)
    rate: float = Field(2000, ge=0, strict=False)
    keep_resolved: Duration = Field("30 d", gt=0)
    rules: tuple[Rule, ...] = Field((), strict=False)


class Supervisor(Section):
    """Patience with workers."""

    hang_timeout: Duration = Field("10 s", ge=1)
    embedded_hang_timeout: Duration = Field("60 s", ge=1)
    start_seconds: Duration = "5 s"  # type: ignore[assignment]
    max_failures: int = Field(5, ge=1)
    backoff_max: Duration = Field("30 s", gt=0)
    start_timeout: Duration = Field("120 s", gt=0)
    stop_timeout: Duration = Field("30 s", gt=0)
    max_memory: Size = "1 GiB"  # type: ignore[assignment]
    max_events: int = Field(0, ge=0)


class Log(Section):
    """What is said, how, and where."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "human", "json"] = "auto"
    target: Literal["file", "stderr"] = "file"
