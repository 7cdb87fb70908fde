"""Which events a table of the lake has, by their ids: kept by a writer, made of the table's own files.

Sorted runs of ids, of which two that are alike in size become one, as in a log-structured merge tree. A large run is a
file in the state directory that is mapped, so that it is memory only as long as there is room.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etld.sinks.iceberg import files
from etld.sinks.postgres.columns import ACCEPTED_AT
from etld.sinks.postgres.deduplication.id_filter import as_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from etld.sinks.postgres.deduplication.id_filter import Numbers

    Mask = np.ndarray[Any, np.dtype[np.bool_]]
    Times = np.ndarray[Any, np.dtype[np.int64]]
    Order = np.ndarray[Any, np.dtype[np.intp]]
    Column = np.ndarray[Any, np.dtype[Any]]

log = logging.getLogger("etld.lake")
_SECOND = 1_000_000
#: From so many ids on a run is a file.
LARGE = 1 << 20
# From so many on runs are put together no more.
_LARGEST = 1 << 26
# Kept for longer than the window, in seconds: clocks of producers differ, and partitions are read one after the other.
_SLACK = 86_400
# The oldest event of so many batches says what is not needed any more.
_REMEMBERED = 100
_NO_ORDER: Order = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class Run:
    """Ids in order, as two numbers each, and when Kafka took each event."""

    heads: np.ndarray[Any, np.dtype[np.uint64]]
    tails: np.ndarray[Any, np.dtype[np.uint64]]
    accepted: Times

    def __len__(self) -> int:
        return len(self.heads)

    def near(self, ids: Numbers, accepted: Times, reach: int) -> Mask:
        """Whose id is here, of an event that was taken within `reach` microseconds of that?"""
        gone = np.zeros(len(ids), np.bool_)
        at = np.searchsorted(self.heads, ids[:, 0])
        left = np.flatnonzero(at < len(self))
        while len(left):
            left = left[self.heads[at[left]] == ids[left, 0]]
            here = at[left]
            same = self.tails[here] == ids[left, 1]
            gone[left[same & (np.abs(self.accepted[here] - accepted[left]) <= reach)]] = True
            at[left] += 1
            left = left[at[left] < len(self)]
        return gone


class TableIds:
    """The ids of a table as of one of its snapshots; `window` is how long one is known, in seconds.

    Runs of `large` ids are files in `directory`.
    """

    def __init__(
        self,
        window: float,
        directory: Path | None = None,
        large: int = LARGE,
    ) -> None:
        self._large = large
        self._reach = int(window * _SECOND)
        self._directory = directory
        # A writer that is given up may still be at its last batch.
        self._lock = threading.Lock()
        self._runs: list[Run] = []
        self._files: dict[int, Path] = {}
        self._snapshot: int | None = None
        self._since: int | None = None
        self._oldest: deque[int] = deque(maxlen=_REMEMBERED)
        #: The ids that were looked for last, and how they are in order.
        self._sorted: tuple[Numbers | None, Order] = (None, _NO_ORDER)

    def follow(self, table: Table, oldest: int) -> None:
        """Know what the table has now that events taken since `oldest` (microseconds) may be like.

        Raises whatever the storage raises.
        """
        with self._lock:
            self._follow(table, oldest - self._reach)

    def _follow(self, table: Table, since: int) -> None:
        now = table.current_snapshot()
        self._oldest.append(since)
        if self._since is None or since < self._since:
            self._begin(since - _SLACK * _SECOND)
            self._read(table, self._all(table))
        elif now is not None and now.snapshot_id != self._snapshot:
            added = _added(table, self._snapshot)
            if added is None:
                self._begin(self._since)
                added = self._all(table)
            self._read(table, added)
        self._snapshot = None if now is None else now.snapshot_id

    def repeated(self, ids: Numbers, accepted: Times) -> Mask | None:
        """The rows to leave out, since the table has their event, or it comes in the batch before; None for none."""
        gone = np.zeros(len(ids), np.bool_)
        # In order, so that the memory of a run is gone through once, and not at random.
        order = np.argsort(ids[:, 0])
        with self._lock:
            runs = list(self._runs)
            self._sorted = (ids, order)
        lowest, highest = (ids[order[at], 0] for at in (0, -1)) if len(order) else (0, 0)
        ids_in_order, accepted_in_order = ids[order], accepted[order]
        for run in runs:
            # Ids that grow with time are beyond all that came before.
            if len(run) and run.heads[0] <= highest and lowest <= run.heads[-1]:
                gone[order[run.near(ids_in_order, accepted_in_order, self._reach)]] = True
        self._leave_out_repeated(ids, accepted, gone, order)
        return gone if gone.any() else None

    def wrote(self, before: int | None, now: int | None, parts: Sequence[tuple[Numbers, Times]]) -> None:
        """The table has these too, as of the snapshot `now`, which follows the one `before`."""
        with self._lock:
            if self._snapshot == before:
                for ids, accepted in parts:
                    self._add(ids, accepted)
                self._snapshot = now

    def close(self) -> None:
        """Put the files away."""
        self._begin(None)

    def _begin(self, since: int | None) -> None:
        self._runs, self._since, self._snapshot = [], since, None
        for path in self._files.values():
            path.unlink(missing_ok=True)
        self._files = {}

    def _all(self, table: Table) -> list[DataFile]:
        return [task.file for task in table.scan().plan_files()] if table.current_snapshot() is not None else []

    def _read(self, table: Table, found: Iterable[DataFile]) -> None:
        field_id = table.schema().find_field(ACCEPTED_AT).field_id
        for file in found:
            if self._since is not None and files.newest(file, field_id) < self._since:
                continue
            octets, accepted = files.read_ids(table.io, file.file_path)
            self._add(as_numbers(octets), accepted)

    def _add(self, ids: Numbers, accepted: Times) -> None:
        if not len(ids):
            return
        known, order = self._sorted
        if known is not ids:
            order = np.argsort(ids[:, 0])
        self._sorted = (None, _NO_ORDER)
        self._runs.append(Run(ids[order, 0], ids[order, 1], accepted[order]))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            if len(self._runs[-2]) + len(self._runs[-1]) > _LARGEST:
                break
            self._merge()

    def _merge(self) -> None:
        """Make one run of the two last ones; what no later event can be like is left out."""
        one, other = self._runs[-2:]
        # What comes is hardly older than what came; else all is read anew.
        floor = min(self._oldest, default=self._since or 0) - _SLACK * _SECOND
        at = np.searchsorted(one.heads, other.heads) + np.arange(len(other))
        rest = np.ones(len(one) + len(other), np.bool_)
        rest[at] = False
        pairs = ((one.heads, other.heads), (one.tails, other.tails), (one.accepted, other.accepted))
        merged = Run(*(_inserted(old, new, at, rest) for old, new in pairs))
        if int(merged.accepted.min()) < floor:
            kept = merged.accepted >= floor
            merged = Run(merged.heads[kept], merged.tails[kept], merged.accepted[kept])
            self._since = max(self._since or floor, floor)
        del self._runs[-2:]
        self._runs.append(self._kept(merged))
        for old in (one, other):
            path = self._files.pop(id(old), None)
            if path is not None:
                path.unlink(missing_ok=True)

    def _kept(self, run: Run) -> Run:
        """The run; a large one as a file that is mapped."""
        if len(run) < self._large or self._directory is None:
            return run
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._directory, suffix=".ids", delete=False) as file:
            for column in (run.heads, run.tails, run.accepted):
                file.write(column.data)
        whole = np.memmap(file.name, np.uint64, "r", shape=(3, len(run)))
        mapped = Run(whole[0], whole[1], whole[2].view(np.int64))
        self._files[id(mapped)] = Path(file.name)
        return mapped

    def _leave_out_repeated(self, ids: Numbers, accepted: Times, gone: Mask, by_head: Order) -> None:
        """Of rows of the batch with one id the first stays, and each that comes later than its window."""
        in_order = ids[by_head, 0]
        same = in_order[1:] == in_order[:-1]
        kept: dict[tuple[int, int], list[int]] = {}
        # Those whose first half is the same are few.
        for place in (
            np.sort(by_head[np.append(same, False) | np.insert(same, 0, False)]).tolist() if same.any() else ()
        ):
            before = kept.setdefault((int(ids[place, 0]), int(ids[place, 1])), [])
            when = int(accepted[place])
            if any(abs(one - when) <= self._reach for one in before):
                gone[place] = True
            elif not gone[place]:
                before.append(when)


def _inserted(old: Column, new: Column, at: Order, rest: Mask) -> Column:
    """Both in one array: the new values `at` their places, the old ones in the `rest`."""
    whole = np.empty(len(rest), old.dtype)
    whole[at], whole[rest] = new, old
    return whole


def _added(table: Table, since: int | None) -> list[DataFile] | None:
    """The files that snapshots after `since` have added; None when that is not to be told any more."""
    snapshot = table.current_snapshot()
    found: list[DataFile] = []
    while snapshot is not None and snapshot.snapshot_id != since:
        rewritten = snapshot.summary is not None and snapshot.summary[files.SAME_ROWS] is not None
        for manifest in () if rewritten else snapshot.manifests(table.io):
            if manifest.added_snapshot_id != snapshot.snapshot_id:
                continue
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            # Of a manifest that was put together, only what is new in it.
            found += [one.data_file for one in entries if one.snapshot_id == snapshot.snapshot_id]
        parent = snapshot.parent_snapshot_id
        # Also of one whose parent has expired.
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    return None if snapshot is None else found
