"""What a role says of itself to the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from etld.sinks.base import EventRows, RecordCounts, joined
from etld.stream.killers import Killers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence

    import polars as pl

    from etld.isolation.program import Program
    from etld.kafka.types import Partition
    from etld.sinks.base import SideConnection, Transaction, Verdict
    from etld.stream.batch import Batch


@dataclass
class Work:
    """A batch made ready for the sink; roles add what they need.

    `outcomes` says what is expected to become of the records of each partition.
    """

    batch: Batch
    outcomes: dict[Partition, RecordCounts] = field(default_factory=dict)
    #: What the note of what is in hand says of it.
    note: bytes = field(default=b"[]", kw_only=True)


W = TypeVar("W", bound=Work)


@dataclass(frozen=True, slots=True)
class Gathers:
    """Prepared batches wait for each other, the oldest for so many `seconds`, until they are `size` bytes together."""

    seconds: float
    size: int


class BatchHandler(Generic[W]):
    """One role's part in the loop.

    `prepare` runs in the loop's thread while the last batch is written by another; `write` runs in the writer's
    thread and touches nothing but its arguments.
    """

    #: The consumer group is "etld-<group>", in Kafka behind the prefix.
    group: str
    topics: Sequence[str]
    #: The name of its sink in `etld.sinks.registry`.
    sink: str = "postgres"
    #: Do the counts of this group's positions make the daemon's totals?
    reports_totals: bool = False
    #: Set by the loop before `start`, as is the next.
    cluster_id: str = ""
    #: The partitions that this process reads now.
    owned: Container[Partition] = ()
    #: Makes events ready for `Transaction.write_events`, in the way of the sink.
    encode: Callable[[Sequence[pl.DataFrame]], EventRows] = EventRows
    #: Makes one of several of those.
    join: Callable[[Sequence[EventRows]], EventRows] = joined
    #: Leaves the events of some partitions out of those, by number.
    leave_out: Callable[[EventRows, Collection[int]], EventRows]
    #: Records that `prepare` has to leave out.
    killers: Killers = Killers()
    #: For how much company a prepared batch waits; None: each is written by itself.
    gathers: Gathers | None = None

    def prepare(self, batch: Batch) -> W:
        """Decode and transform; nothing of the sink. What it raises is retried for ever, with an alarm."""
        raise NotImplementedError

    def gathered(self, works: Sequence[W]) -> W:
        """One work of several that follow each other, with a batch of spent records: for a role that `gathers`."""
        raise NotImplementedError

    def without(self, work: W, partitions: Collection[Partition]) -> W | None:
        """A gathered work without some partitions; None when nothing is left."""
        raise NotImplementedError

    def size(self, work: W) -> int:
        """The bytes of a gathered work."""
        raise NotImplementedError

    def write(self, transaction: Transaction, work: W, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        """The effects of a batch, with its positions.

        `verdict` is None at first; "conflict" or "data" after the sink refused the last try for that reason: then
        find and set aside what it refuses, or raise `TooManyRefused`, and the records come again in pieces of
        `PIECE`. Returns what has to be added to the outcomes.
        """
        raise NotImplementedError

    def program(self) -> Program | None:
        """The pure part of `prepare`, whose items are values of records and whose label is their topic.

        A role that has one outlives records that end the process which works on them: they are found by it.
        """
        return None

    def committed(self, work: W) -> None:
        """The batch is written; runs in the loop's thread."""

    def blocked_by(self) -> str | None:
        """Why nothing may be read now, or None."""
        return None

    def at_rest(self) -> bool:
        """After a pause: is nothing under way that the role does beside the batches?"""
        return True

    def limit(self, work: W) -> int | None:
        """After `prepare`: write only so many records of it at once, or None for all."""
        return None

    def left(self, side: SideConnection) -> None:
        """The daemon stops: say so to the others."""

    def idle(self, side: SideConnection) -> None:
        """Something to do beside the batches, a few milliseconds long.

        It runs about once a second, and after each batch. Errors of the sink and of Kafka are the loop's to handle.
        """

    def start(self, side: SideConnection) -> None:
        """The sink is there, and nothing is claimed yet; runs again after every lost connection."""

    def daemon(self) -> str:
        """This daemon in the static ids of members: a hexadecimal number."""
        return "0"

    def daemons(self, side: SideConnection) -> Collection[str] | None:
        """The daemons that work for the same sink, as `daemon` has them; None: all that there are."""
        return None

    def close(self) -> None:
        """The worker ends."""
