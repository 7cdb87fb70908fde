"""What a role says of itself to the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from etld.errors import EtldError
from etld.sinks.postgres.positions import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.postgres.errors import Verdict
    from etld.stream.batch import Batch, Key


#: Records of which a table may refuse each, and the batch is still done within seconds.
PIECE = 1000


class TooManyRefused(EtldError):
    """The table refuses so many records of a batch that it is written in pieces instead."""


@dataclass
class Work:
    """A batch made ready for the database; roles add what they need.

    `tallies` says what is expected to become of the records of each partition.
    """

    batch: Batch
    tallies: dict[Key, Tally] = field(default_factory=dict)


W = TypeVar("W", bound=Work)


class Handler(Generic[W]):
    """One role's part in the loop. `prepare` runs in the loop's thread while the last batch is written
    by another; `write` runs in the writer's thread and touches nothing but its arguments.
    """

    #: The consumer group is "etld-<group>".
    group: str
    topics: Sequence[str]
    #: Do the counts of this group's positions make the daemon's totals?
    reports_totals: bool = False
    #: Set by the loop before `start`.
    cluster_id: str = ""

    def prepare(self, batch: Batch) -> W:
        """Decode and transform; no database. What it raises is retried for ever, with an alarm."""
        raise NotImplementedError

    def write(self, cur: Cursor, work: W, verdict: Verdict | None) -> Mapping[Key, Tally]:
        """The effects, after the fence and in its transaction.

        `verdict` is None at first; "conflict" or "data" after PostgreSQL refused the last try for that
        reason: then find and set aside what it refuses, or raise `TooManyRefused`, and the records come again
        in pieces of `PIECE`. Returns what has to be added to the tallies.
        """
        raise NotImplementedError

    def committed(self, work: W) -> None:
        """The batch is in the database; runs in the loop's thread."""

    def gate(self) -> str | None:
        """Why nothing may be read now, or None."""
        return None

    def resting(self) -> bool:
        """After a pause: is nothing under way that the role does beside the batches?"""
        return True

    def limit(self, work: W) -> int | None:
        """After `prepare`: write only so many records of it at once, or None for all."""
        return None

    def idle(self, conn: Connection) -> None:
        """Something to do beside the batches, a few milliseconds long; runs about once a second, and
        after each batch. Database errors are the loop's to handle.
        """

    def start(self, conn: Connection) -> None:
        """A connection is there, and nothing is claimed yet; runs again after every lost connection."""

    def close(self) -> None:
        """The worker ends."""
