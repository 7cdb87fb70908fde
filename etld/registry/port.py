"""What a schema registry is to etld."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Sequence


class RegistryUnavailable(EtldError):
    """The registry does not answer, or not in its protocol: try again later."""


class UnknownSchemaId(EtldError):
    """The registry knows no schema of this id."""


class Incompatible(EtldError):
    """The registry refuses a schema because readers or writers of earlier versions would break."""

    def __init__(self, subject: str, reasons: Sequence[str]) -> None:
        self.subject = subject
        self.reasons = tuple(reasons)
        super().__init__(
            f"the schema of {subject} is not compatible with its latest version: {'; '.join(reasons)}."
            " Give new fields a default, keep the others; or set schema_registry.compatibility"
        )


class InvalidSchema(EtldError):
    """The registry does not take this text for a schema."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject."""

    subject: str
    version: int
    id: int
    schema: str


class Registry(Protocol):
    """Schema ids. Every method raises `RegistryUnavailable` when the registry does not answer."""

    def register(self, subject: str, schema: str) -> int:
        """The id of a schema, as a new version when the subject has not got it; raises `Incompatible`."""
        ...

    def by_id(self, schema_id: int) -> str:
        """The schema of an id; raises `UnknownSchemaId`."""
        ...

    def latest(self, subject: str) -> Version | None:
        """The newest version of a subject."""
        ...

    def versions(self, subject: str) -> list[Version]:
        """All versions of a subject, oldest first; [] for one nobody registered."""
        ...

    def subjects(self) -> list[str]:
        """All subjects."""
        ...

    def check(self, subject: str, schema: str) -> list[str]:
        """Why `register` would refuse the schema; [] when it would not."""
        ...
