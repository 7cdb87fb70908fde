"""What a registry is asked, and what can go wrong behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from etld.schemas.reference import SchemaRef
    from etld.schemas.tree import SchemaError


class Incompatible(EtldError):
    """A schema may not follow the versions that are there; `reasons` name the fields."""

    code = "ETLD-R004"

    def __init__(self, subject: str, reasons: Sequence[str]) -> None:
        self.subject = subject
        self.reasons = tuple(reasons)
        super().__init__(f"the schema of {subject} may not be changed like this: {'; '.join(self.reasons)}")


# A ConnectionError, so that whoever retries lost connections retries this.
class RegistryUnavailable(EtldError, ConnectionError):
    """The registry does not answer, or not in its protocol. Nothing is known about the schema."""

    code = "ETLD-R001"


class UnknownSchema(EtldError):
    """No schema has this id, or this GUID. `why` says more where there is more to say."""

    code = "ETLD-R005"

    def __init__(self, schema_id: SchemaRef, why: str = "") -> None:
        self.schema_id = schema_id
        self.why = why
        what = "GUID" if isinstance(schema_id, UUID) else "id"
        super().__init__(f"no schema has the {what} {schema_id}{why and f': {why}'}")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject's schema."""

    subject: str
    version: int
    id: int
    schema: str


class SchemaTexts(Protocol):
    """Gives schemas by their ids."""

    def look_up(
        self, ids: Collection[SchemaRef], until: float, tick: Callable[[], None]
    ) -> Iterator[tuple[SchemaRef, str | SchemaError | None]]:
        """Each id with its schema: None where no schema has it, the error where it is none that anybody can read.

        Ids that were not asked for at `until` (monotonic) are left out. `tick` is called every moment meanwhile. Raises
        `RegistryUnavailable` when nobody answers.
        """


class Registry(SchemaTexts, Protocol):
    """Keeps schemas by subject and id. Every call raises `RegistryUnavailable` when it gets no answer."""

    def register(self, subject: str, schema: str) -> int:
        """The id of `schema` under `subject`, a new version if it is new; raises `Incompatible`."""

    def latest(self, subject: str) -> Version | None:
        """The newest version, None for a subject without one."""

    def versions(self, subject: str) -> list[Version]:
        """Every version, oldest first; [] for an unknown subject."""

    def check(self, subject: str, schema: str) -> list[str]:
        """Why `register` would refuse; [] when it would not."""
