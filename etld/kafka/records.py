"""Records of one partition by columns: what a batch needs of every record without an object for each."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from etld.kafka.types import Offset, Partition, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Headers = Sequence[tuple[str, bytes | None]]

# confluent_kafka.TIMESTAMP_NOT_AVAILABLE
_NO_TIMESTAMP = 0
_SECOND = itemgetter(1)
#: What the client raises for a name of a header that is no UTF-8.
_NO_TEXT = (UnicodeDecodeError, SystemError)


class Message(Protocol):
    """A record as a client holds it: the client library's messages, and those of the broker in memory."""

    def topic(self) -> Any:
        """The topic's name."""

    def partition(self) -> Any:
        """The number of the partition."""

    def offset(self) -> Any:
        """Its number there."""

    def key(self) -> Any:
        """Bytes, or None."""

    def value(self) -> Any:
        """Bytes, or None."""

    def headers(self) -> Any:
        """Pairs of name and value, or None without any."""

    def set_headers(self, headers: Any) -> None:
        """Give it others."""

    def timestamp(self) -> Any:
        """Its kind, and milliseconds since 1970."""


class Records:
    """Records of one partition in offset order.

    `offsets` and `values` are made at once, in loops that run in C; all else of a record is asked by its index.
    A slice is `Records` again.
    """

    __slots__ = ("_messages", "offsets", "partition", "values")

    def __init__(self, partition: Partition, messages: Sequence[Message] = ()) -> None:
        self.partition = partition
        self.offsets: list[Offset] = []
        self.values: list[bytes | None] = []
        self._messages = messages
        if messages:
            # Methods of the class instead of bound ones: every record of a backlog comes by here.
            kind = type(messages[0])
            self.offsets = list(map(kind.offset, messages))
            self.values = list(map(kind.value, messages))

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, span: slice) -> Records:
        some = Records(self.partition)
        some.offsets, some.values = self.offsets[span], self.values[span]
        some._messages = self._messages[span]
        return some

    def starting_at(self, offset: Offset) -> Records:
        """Without those before `offset`."""
        if not self.offsets or self.offsets[0] >= offset:
            return self
        return self[next((i for i, one in enumerate(self.offsets) if one >= offset), len(self.offsets)) :]

    def before(self, offset: Offset) -> Records:
        """Only those before `offset`."""
        if not self.offsets or self.offsets[-1] < offset:
            return self
        return self[: bisect_left(self.offsets, offset)]

    def record(self, index: int) -> Record:
        """One of them, whole."""
        message = self._messages[index]
        return Record(
            self.partition,
            self.offsets[index],
            message.key(),
            self.values[index],
            tuple(_headers(message) or ()),
            timestamp(message),
        )

    def headers(self) -> Iterator[Headers | None]:
        """The headers of each, None for one without. The client makes them only now, which takes its time."""
        yield from self._all_headers()

    def header(self, name: str) -> dict[int, bytes]:
        """The header of that name by the index of each record that has it; the first where one has several."""
        found: dict[int, bytes] = {}
        all_headers = self._all_headers()
        # In C where no record has any.
        if any(all_headers):
            for index, headers in enumerate(all_headers):
                for one, value in headers or ():
                    if one == name and value is not None:
                        found.setdefault(index, value)
        return found

    def _all_headers(self) -> list[Headers | None]:
        messages = self._messages
        found: list[Headers | None] = []
        while len(found) < len(messages):
            try:
                found.extend(map(type(messages[0]).headers, messages[len(found) :]))
            except _NO_TEXT:  # at the next one
                _hide(messages[len(found)])
                found.append(None)
        return found

    def milliseconds(self, index: int) -> int:
        """The timestamp of one of them in milliseconds since 1970, 0 or less when it has none."""
        return int(self._messages[index].timestamp()[1])

    def all_milliseconds(self) -> list[int]:
        """The same of each."""
        if not self._messages:
            return []
        return list(map(_SECOND, map(type(self._messages[0]).timestamp, self._messages)))


class SpentRecords(Records):
    """So many records of which nothing is needed any more but the first value: their memory is given back."""

    __slots__ = ("_count",)

    def __init__(self, partition: Partition, count: int, first: bytes | None) -> None:
        super().__init__(partition)
        self._count = count
        if count:
            self.values = [first]

    def __len__(self) -> int:
        return self._count


def _headers(message: Message) -> Headers | None:
    """The headers, None for none."""
    try:
        # By way of `map`, for the interpreter itself would overlook an error that comes with a result.
        return next(map(type(message).headers, (message,)))  # type: ignore[no-any-return]
    except _NO_TEXT:
        _hide(message)
        return None


def _hide(message: Message) -> None:
    """A record with a header whose name is no text has none: the client keeps such names as null pointers."""
    message.set_headers([])


def timestamp(message: Message) -> datetime | None:
    """When the producer (or the broker, where a topic is set so) says that a record was made."""
    kind, milliseconds = message.timestamp()
    if kind == _NO_TIMESTAMP:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a foreign producer may write anything
        return None


def by_partition(messages: Sequence[Message]) -> dict[Partition, Records]:
    """Messages of one class, in offset order within each partition, as `Records`."""
    found: dict[tuple[Any, Any], list[Message]] = {}
    if messages:
        kind = type(messages[0])
        # Runs of one topic and partition: again loops in C.
        for topic, same_topic in groupby(messages, kind.topic):
            for number, run in groupby(same_topic, kind.partition):
                found.setdefault((topic, number), []).extend(run)
    return {(key := Partition(*pair)): Records(key, some) for pair, some in found.items()}
