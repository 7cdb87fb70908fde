"""What a format is: how events are bytes in Kafka. `etld.serdes.formats` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from etld.errors import EtldError
from etld.util.text import one_line, shortened

if TYPE_CHECKING:
    import polars as pl

    from etld.schemas.catalog import EventType
    from etld.schemas.event_schema import EventSchema
    from etld.schemas.reference import SchemaRef

Made = TypeVar("Made")
#: An event as `Validator` gives it to the value of its Kafka record.
Encode = Callable[[dict[str, Any]], bytes]
#: A client's event to the value of its Kafka record, None where it is not plainly valid; also raises KeyError,
#: TypeError, ValueError or AttributeError then.
DirectEncode = Callable[[dict[str, Any]], bytes | None]
#: The schema that a record refers to. Raises `UnknownSchema`, and `SchemaError` for one that is no event's.
SchemaFor = Callable[["SchemaRef"], "EventSchema"]

STAGE = "VALUE_CONVERTER"
#: What goes through wherever all else is caught, since it is meant for the process, or tells nothing of a record by
#: itself: what is too large for a process is looked for in others that have limits.
ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)
_LONGEST = 500


@runtime_checkable
class LearnsMany(Protocol):
    """A `SchemaFor` that would rather hear at once of all ids that it will be asked for."""

    def learn(self, ids: Iterable[SchemaRef]) -> None:
        """Get ready for these ids; raises what asking for one of them may raise, but for `UnknownSchema`."""


def announce(schema_for: SchemaFor, ids: Iterable[SchemaRef]) -> None:
    """Tell `schema_for`, if that helps it, which schemas it will be asked for."""
    if isinstance(schema_for, LearnsMany):
        schema_for.learn(ids)


class DecodeError(EtldError):
    """The bytes are not what they claim to be. `error_class` names the kind, for dead letters."""

    code = "ETLD-D002"

    def __init__(self, error_class: str, message: str) -> None:
        self.error_class = error_class
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be stored: its row in the batch, the stage it failed at, and why."""

    row: int
    stage: str
    error_class: str
    message: str


def broken(row: int, stage: str, error: BaseException) -> BadRecord:
    """A record that something else than a check of ours tripped over: whatever it is, it is that record's."""
    text = shortened(one_line(error), _LONGEST) or "no message"
    return BadRecord(row, stage, type(error).__name__, text)


def in_halves(
    work: Callable[[Any], Made],
    records: Any,
    row_of: Callable[[Any], int],
    stage: str,
    through: tuple[type[BaseException], ...] = ENDS,
) -> tuple[list[Made], list[BadRecord]]:
    """(what `work` makes of records, those that it raises for).

    It is asked for all of them; where it raises, for each half, down to single ones. `records` has a length and slices;
    `row_of` is the row of the only one left. What is one of `through` goes through.
    """
    try:
        return [work(records)], []
    except through:
        raise
    except BaseException as error:  # Polars' PanicException is no Exception
        if len(records) <= 1:
            return [], [broken(row_of(records), stage, error)] if len(records) else []
    middle = len(records) // 2
    made, bad = in_halves(work, records[:middle], row_of, stage, through)
    more, worse = in_halves(work, records[middle:], row_of, stage, through)
    return made + more, bad + worse


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """The good records as frames (`row`, then the fields of an event), the bad ones with their reasons.

    One frame, unless records of schemas whose columns do not go together came in one batch.
    """

    frames: list[pl.DataFrame]
    bad: list[BadRecord]

    @property
    def frame(self) -> pl.DataFrame:
        """All good records, where their schemas go into one frame; raises ValueError where they do not."""
        (frame,) = self.frames
        return frame


class Format(Protocol):
    """Bytes to events and back."""

    def recognises(self, value: bytes) -> bool:
        """Is the value in this format, by its first bytes?"""

    def schema_ref(self, value: bytes) -> SchemaRef:
        """What names the schema that a value was written with; raises `DecodeError`."""

    def framed(self, value: bytes, header: bytes) -> bytes:
        """A value whose schema stands in a header of its record, as if it stood before it; raises `DecodeError`."""

    def encoder(self, schema: EventSchema, schema_id: int) -> Encode:
        """What writes the events of a schema. On the hot path of ingest."""

    def direct_encoder(self, kind: EventType) -> DirectEncode | None:
        """What checks and writes plainly valid events in one pass, None where there is no such short way.

        It gives the same bytes as the validator and `encoder` one after the other.
        """

    def decode(self, schema: EventSchema, value: bytes) -> dict[str, Any]:
        """The event of a value as a client would send it, in JSON's words; raises `DecodeError`."""

    def decode_batch(
        self, values: Sequence[bytes | None], schema_for: SchemaFor, headers: Mapping[int, bytes]
    ) -> DecodedBatch:
        """The events of a batch as frames. On the hot path of processors and aggregators.

        `headers`: by row, the header that names the schema of a value, where a record has one (see `framed`).
        Whatever `schema_for` raises besides goes through: a registry that is away makes no record bad.
        """
