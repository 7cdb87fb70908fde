"""Which rows of a batch have an id that is stored, and how a writer finds them with few look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable
from etld.sinks.postgres.deduplication import leaves as leaf_rows
from etld.sinks.postgres.deduplication.filters import Filters
from etld.sinks.postgres.deduplication.leaves import WHOLE_TABLE, Leaf
from etld.sinks.postgres.deduplication.recent_ids import RecentIds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Cursor
    from etld.sinks.postgres.deduplication.id_filter import Numbers

    Mask = np.ndarray[Any, np.dtype[np.bool_]]
    Times = np.ndarray[Any, np.dtype[np.int64]]

_SQL = statements.load(__package__, "known_ids")
# From so many ids on, two look-ups that may spare all others pay.
_MANY = 100
_SECOND = 1_000_000
#: As shipped, in seconds.
DEDUP_WINDOW = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class BatchIds:
    """What a batch's rows are known by: `ids`, `accepted` (microseconds since 1970), and `order`, their place in it."""

    ids: Numbers
    accepted: Times
    order: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.accepted)


class KnownIds:
    """The look-ups of one writer; `window` is how long an id is known, in seconds."""

    def __init__(self, window: float = DEDUP_WINDOW, filters: Filters | None = None) -> None:
        self._window = window
        self._reach = int(window * _SECOND)
        self._filters = filters or Filters()
        self._recent = RecentIds()

    def enter(self, cur: Cursor, batch: BatchIds, *, partitioned: bool, alone: bool) -> BatchInLeaves:
        """Go into the leaves that a batch belongs to, until the end of its transaction.

        `alone`: rows are looked up one by one, so that no other batch may come between.
        """
        if not partitioned:
            return BatchInLeaves(self, cur, batch, [WHOLE_TABLE], alone=False)
        lowest, highest = int(batch.accepted.min()), int(batch.accepted.max())
        found, is_alone = leaf_rows.enter(cur, lowest, highest, self._window, alone=alone)
        return BatchInLeaves(self, cur, batch, found, alone=is_alone)

    def wanted(self, leaf: Leaf, batch: BatchIds, own: Mask, *, all_own: bool) -> Mask:
        """Which rows are to be looked up in a leaf, where the rows of `own` go."""
        mine = own if all_own else own & self._recent.may_have(batch.ids) if own.any() else own
        others = ~own & self._in_reach(leaf, batch.accepted) if leaf.version else np.zeros(len(batch), np.bool_)
        if others.any() and not leaf.current and (known := self._filters.of(leaf)) is not None:
            others &= known.may_have(batch.ids)
        wanted: Mask = mine | others
        return wanted

    def _in_reach(self, leaf: Leaf, accepted: Times) -> Mask:
        """Whose window meets the leaf?"""
        assert leaf.upper is not None
        found: Mask = accepted <= max(leaf.upper, leaf.taken_over or leaf.upper) + self._reach
        return found if leaf.lower is None else found & (accepted >= leaf.lower - self._reach)

    def wrote(self, ids: Numbers) -> None:
        """These are rows now, or will be when the transaction ends."""
        self._recent.add(ids)

    @property
    def reach(self) -> int:
        """The window in microseconds."""
        return self._reach


class BatchInLeaves:
    """A batch that has entered its leaves."""

    def __init__(
        self, known_ids: KnownIds, cur: Cursor, batch: BatchIds, leaves: Sequence[Leaf], *, alone: bool
    ) -> None:
        self._known_ids = known_ids
        self._cur = cur
        self._batch = batch
        self._leaves = leaves
        self._alone = alone
        # Leaves lie side by side and only the first has no lower bound; what lies between two belongs to none.
        begins = np.array([-(1 << 63) if leaf.lower is None else leaf.lower for leaf in leaves], np.int64)
        at = np.searchsorted(begins, batch.accepted, "right") - 1
        ends = np.array([(1 << 63) - 1 if leaf.upper is None else leaf.upper for leaf in leaves], np.int64)
        there = (at >= 0) & (batch.accepted < ends[at]) if leaves else np.zeros(len(batch), np.bool_)
        self._home = np.where(there, at, -1)

    @property
    def partitioned(self) -> bool:
        """Does the table have leaves?"""
        return list(self._leaves) != [WHOLE_TABLE]

    def stored(self, *, all_own: bool) -> Mask | None:
        """The rows to leave out, since their id is stored or comes in the batch before; None: there are none.

        In its own leaf an id that is stored makes COPY fail; so there only those are looked up that this writer may
        have written, or `all_own`.
        """
        batch = self._batch
        gone = np.zeros(len(batch), np.bool_)
        selects: list[Composable] = []
        parameters: dict[str, object] = {"reach": self._known_ids.reach}
        for number, leaf in enumerate(self._leaves):
            own = self._home == number
            wanted = self._known_ids.wanted(leaf, batch, own, all_own=all_own)
            if not wanted.any() or self._out_of_range(leaf, wanted):
                continue
            places = np.flatnonzero(wanted)
            parameters |= {
                f"ids{number}": as_array(batch.ids[wanted]),
                f"accepted{number}": batch.accepted[wanted].tolist(),
                f"places{number}": places.tolist(),
                f"own{number}": own[wanted].tolist(),
                f"until{number}": (leaf.taken_over or 0) + self._known_ids.reach,
            }
            selects.append(self._select(leaf, number))
        if selects:
            # A plan that is kept would be of the day when the leaf was empty.
            rows = self._cur.execute(SQL(" UNION ALL ").join(selects), parameters, prepare=False).fetchall()
            gone[[row[0] for row in rows]] = True
        self._leave_out_repeated(gone)
        return gone if gone.any() else None

    def write_versions(self, gone: Mask | None) -> None:
        """Before the rows that are not `gone` are written: leaves that are not current get a new version."""
        if not self._alone or not self.partitioned:
            return
        home = self._home if gone is None else self._home[~gone]
        written = [self._leaves[at] for at in np.unique(home[home >= 0]).tolist()]
        changed = [leaf for leaf in written if not leaf.current]
        leaf_rows.change(self._cur, changed)

    def wrote(self, gone: Mask | None) -> None:
        """The rows that are not `gone` are written."""
        self._known_ids.wrote(self._batch.ids if gone is None else self._batch.ids[~gone])

    def _out_of_range(self, leaf: Leaf, wanted: Mask) -> bool:
        """Are all ids of the leaf smaller or larger than those wanted, as with ids that grow with time?"""
        if np.count_nonzero(wanted) < _MANY:
            return False
        self._cur.execute(SQL(_SQL.range.decode()).format(leaf=leaf.table))
        row = self._cur.fetchone()
        if row is None or row[0] is None:
            return True
        heads = self._batch.ids[wanted, 0]
        lowest, highest = (one.int >> 64 for one in row)
        return bool(highest < heads.min() or lowest > heads.max())

    def _select(self, leaf: Leaf, number: int) -> Composable:
        text = _SQL.whole if leaf is WHOLE_TABLE else _SQL.leaf
        return SQL(text.decode().replace("{n}", str(number))).format(leaf=leaf.table)

    def _leave_out_repeated(self, gone: Mask) -> None:
        """Of rows of the batch with one id the first stays, and each that comes later than its window."""
        ids = self._batch.ids
        # Those whose first half is the same are few: the rest need not be put into order.
        by_head = np.argsort(ids[:, 0], kind="stable")
        same = np.diff(ids[by_head, 0]) == 0
        if not same.any():
            return
        alike = by_head[np.append(same, False) | np.insert(same, 0, False)]
        alike = alike[np.lexsort((self._batch.order[alike], ids[alike, 1], ids[alike, 0]))]
        kept: list[int] = []
        for before, place in pairwise(alike.tolist()):
            if (ids[before] != ids[place]).any():
                kept = []
                continue
            kept = kept or [before] if not gone[before] else kept
            if any(self._clash(one, place) for one in kept):
                gone[place] = True
            elif not gone[place]:
                kept.append(place)

    def _clash(self, one: int, other: int) -> bool:
        if self._home[one] == self._home[other]:
            return True
        return abs(int(self._batch.accepted[one]) - int(self._batch.accepted[other])) <= self._known_ids.reach


def as_array(ids: Numbers) -> str:
    """The literal of an array of UUIDs."""
    digits = ids.astype(">u8").tobytes().hex()
    return "{" + ",".join(digits[at : at + 32] for at in range(0, len(digits), 32)) + "}"
