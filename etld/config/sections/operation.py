"""Dead letters, workers and the log."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr, field_validator

from etld.config.rule_files import RuleInFile
from etld.config.sections.base import (
    AnyPath,
    Duration,
    FunctionName,
    OptionalFile,
    PositiveDuration,
    Section,
    Size,
    Workers,
    at_least,
    quantity,
)

SecondOrMore = Annotated[Duration, at_least(1, "1 s")]


class RuleSection(Section):
    """One correction rule: what it matches, and its steps or its hook; etld.deadletters.rules checks their insides."""

    name: str = Field(min_length=1, max_length=100, description="For the audit table and `etld dlq`.")
    match: dict[str, Any] = Field(
        default_factory=dict,
        description="What dead letters it is for: event_type, stage, error_class, sqlstate, message, where.",
    )
    steps: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = Field(
        (), description="What is done, in order: one table with one key each."
    )
    hook: FunctionName = Field("", description='A function "module:function" instead of or after the steps.')

    _line: int = PrivateAttr(default=0)
    _in_file: RuleInFile | None = PrivateAttr(default=None)

    def stands(self, line: int, in_file: RuleInFile | None) -> None:
        """Note where it was read: a line of the configuration's file (0: not known), or a file of its own."""
        self._line, self._in_file = line, in_file

    @property
    def line(self) -> int:
        """The line of its file on which it begins; 0: not known."""
        return self._line

    @property
    def in_file(self) -> RuleInFile | None:
        """Itself in a file of corrector.rules_dir; None when it is of the configuration's file."""
        return self._in_file


class CorrectorSection(Section):
    """Who repairs dead letters."""

    workers: Workers = Field(1, description="Corrector workers.")
    max_attempts: int = Field(3, ge=1, description="An event that failed this often is parked.")
    rate: float = Field(2000, ge=0, description="Repaired events sent back a second; 0 means no limit.")
    keep_resolved: PositiveDuration = quantity("30 d", "Resolved and discarded dead letters are kept this long.")
    rules_dir: OptionalFile = Field(
        None,
        description='A directory with more rules, one *.toml file each, in the order of their names; "" for none.',
    )
    rules: Annotated[tuple[RuleSection, ...], Field(strict=False)] = Field(
        (), description="Tried in order; the first whose result is valid wins."
    )


Role = Literal["ingest", "processor", "aggregator", "corrector", "lake", "console", "alerts"]
#: Every kind of worker that a host may leave to others.
ROLES: tuple[Role, ...] = get_args(Role)


class RolesSection(Section):
    """Which kinds of workers run on this host."""

    run: Annotated[tuple[Role, ...], Field(strict=False, min_length=1)] = Field(
        ROLES, description="The kinds of workers of this host; other hosts of the cluster run the rest."
    )

    @field_validator("run")
    @classmethod
    def _each_once(cls, run: tuple[Role, ...]) -> tuple[Role, ...]:
        for role in run:
            if run.count(role) > 1:
                raise ValueError(f"{role!r} stands there twice")
        return run


class PythonSection(Section):
    """Where functions of the user's are."""

    path: Annotated[tuple[AnyPath, ...], Field(strict=False)] = Field(
        (),
        description="Directories whose modules transforms and hooks may name, after PYTHONPATH and what is installed.",
    )


class SupervisorSection(Section):
    """Patience with workers."""

    hang_timeout: SecondOrMore = quantity(
        "10 s", "A worker that could say something and does not for this long is dumped, killed and replaced."
    )
    embedded_hang_timeout: SecondOrMore = quantity("60 s", "The same for embedded parts.")
    start_seconds: Duration = quantity("5 s", "A worker that ends sooner than this failed to start.")
    max_failures: int = Field(5, ge=1, description="After so many failed starts a worker is fatal.")
    backoff_max: PositiveDuration = quantity("30 s", "The longest pause between two starts of a worker.")
    start_timeout: PositiveDuration = quantity("120 s", "How long `etld start` waits for every worker.")
    stop_timeout: PositiveDuration = quantity("30 s", "How long `etld stop` waits for the drain.")
    operation_timeout: PositiveDuration = quantity(
        "10 min", "How long a reload, a restart, a scaling or a drain may take before it is called off."
    )
    max_memory: Size = quantity("1 GiB", "A worker past this size is replaced between two batches; 0 B means never.")
    max_events: int = Field(0, ge=0, description="A worker past this many events is replaced; 0 means never.")


class LogSection(Section):
    """What is said, how, and where."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is said.")
    format: Literal["auto", "human", "json"] = Field(
        "auto", description="auto: for people on a terminal, else JSON lines."
    )
    target: Literal["file", "stderr"] = Field(
        "file", description="state_dir/log/etld.log, or stderr; `etld start --foreground` always writes to stderr."
    )
