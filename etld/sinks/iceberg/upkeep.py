"""What a table of the lake needs beside new rows: fewer and larger files, and an end of what is old.

Each step is one commit on top of the newest snapshot, tried again when a writer was faster; so it may be done by any
number of processes, at any time. A snapshot of the upkeep carries the positions on as they are.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow

from etld.sinks.iceberg import files, forgetting, positions
from etld.sinks.iceberg.table import NO_RETRIES, one_snapshot, remembered
from etld.sinks.postgres.columns import ACCEPTED_AT, PARTITION
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from etld.sinks.iceberg.known_ids import TableIds
    from etld.sinks.iceberg.rows import LakeRows
    from etld.sinks.iceberg.table import LakeTable

    #: Which rows of a part are to stay.
    Keep = Callable[[pa.Table], pa.Array]

log = logging.getLogger("etld.lake")

_TRIES = 50
# A file of at least this share of the wanted size is large enough, and so many small ones are worth a rewrite.
_ENOUGH, _FEWEST = 0.75, 4
_SECOND = 1_000_000
# In milliseconds.
_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Settings:
    """`target` bytes of a file; seconds for which older snapshots, and files that no snapshot has, are kept."""

    target: int
    keep_snapshots: float
    keep_orphans: float = 86_400.0


class Upkeep:
    """Of one table. `beat` is called between files; False ends what is under way.

    Raises whatever catalog and storage raise.
    """

    def __init__(self, table: LakeTable, settings: Settings, beat: Callable[[], bool] = lambda: True) -> None:
        self._table = table
        self._settings = settings
        self._beat = beat

    def compact(self) -> int:
        """Put small files of each partition together; how many there are less now."""
        table = self._table.load()
        groups: dict[tuple[int, str], list[DataFile]] = defaultdict(list)
        enough = self._settings.target * _ENOUGH
        for task in _tasks(table):
            # What another engine has deleted rows of is left to it.
            if not task.delete_files and task.file.file_size_in_bytes < enough:
                groups[task.file.spec_id, repr(task.file.partition)].append(task.file)
        less = 0
        for (spec_id, _), small in groups.items():
            if spec_id != table.spec().spec_id:
                continue
            for some in _packed(small, self._settings.target):
                if not self._beat():
                    return less
                less += self._put_together(table, some)
        return less

    def add(self, rows: LakeRows, known_ids: TableIds) -> int:
        """Add rows of events that the table does not have; how many those were."""
        backoff = Backoff(0.05, 2.0)
        for _ in range(_TRIES):
            table = self._table.load()
            forgetting.refuse_outdated(table.properties, rows)
            known_ids.follow(table, int(rows.accepted.min()))
            gone = known_ids.repeated(rows.ids, rows.accepted)
            new = rows if gone is None else rows.where(~gone)
            if not len(new):
                return 0
            made = list(files.write(table, new.table))
            try:
                self._table.commit(table, made, positions.carried(table, {"backfilled": new.counts()}))
            except CommitFailedException:
                files.delete(table.io, [one.file_path for one in made])
                time.sleep(backoff.next())
                continue
            return len(new)
        raise CommitFailedException(f"other commits to {self._table.title} come before all the time")

    def expire_snapshots(self) -> int:
        """Forget states of the table that are older than they are kept, or of an hour that has a later one; how many.

        Each commit writes all that are kept.
        """
        table = self._table.load()
        heads = {one.snapshot_id for one in table.metadata.refs.values()}
        times = {one.snapshot_id: one.timestamp_ms for one in table.metadata.snapshots if one.snapshot_id not in heads}
        gone = expired(times, int(time.time() * 1000), self._settings.keep_snapshots)
        if not gone:
            return 0
        table.metadata.properties.update(NO_RETRIES)
        try:
            table.maintenance.expire_snapshots().by_ids(gone).commit()
        except CommitFailedException:
            return 0  # the next time
        return len(gone)

    def drop_older(self, seconds: float) -> int:
        """Take files out whose events are all older; how many rows went."""
        limit = int((time.time() - seconds) * _SECOND)
        table = self._table.load()
        field_id = table.schema().find_field(ACCEPTED_AT).field_id
        old = [task.file for task in _tasks(table) if files.newest(task.file, field_id) < limit]
        rows: Counter[int] = Counter()
        for one in old:
            rows.update(files.counts(table, one))
        return rows.total() if old and self._replace(old, (), {"expired": rows}) else 0

    def rewrite(self, keep: Keep, until: int) -> int:
        """Take rows out of all files that have events accepted before `until` (microseconds since 1970); how many went.

        Older snapshots have them until they expire.
        """
        gone = 0
        table = self._table.load()
        field_id = table.schema().find_field(ACCEPTED_AT).field_id
        for task in _tasks(table):
            if not self._beat():
                raise InterruptedError("the upkeep of the lake was stopped")
            if files.oldest(task.file, field_id) <= until:
                gone += self._without(table, task.file, keep)
        return gone

    def sweep(self) -> int:
        """Delete files that no snapshot has, and that are older than any commit takes; how many."""
        table = self._table.load()
        if not isinstance(table.io, PyArrowFileIO):
            log.warning("%s: files that no snapshot has are not looked for in this kind of storage", self._table.title)
            return 0
        # Before the look for what is in use: what is committed meanwhile is younger.
        limit = time.time() - self._settings.keep_orphans
        scheme, place, path = table.io.parse_location(table.location(), table.io.properties)
        system = table.io.fs_by_scheme(scheme, place)
        found = system.get_file_info(pafs.FileSelector(path, allow_not_found=True, recursive=True))
        used = {table.io.parse_location(one, table.io.properties)[2] for one in _used(self._table.load())}
        orphans = [
            one.path
            for one in found
            if one.type == pafs.FileType.File and one.mtime.timestamp() < limit and one.path not in used
        ]
        for orphan in orphans:
            self._beat()
            system.delete_file(orphan)
        return len(orphans)

    def _put_together(self, table: Table, some: Sequence[DataFile]) -> int:
        schema = schema_to_pyarrow(table.schema())
        parts = chain.from_iterable(files.read(table, one.file_path) for one in some)
        made = files.stream(table, schema, parts, some[0].partition)
        return len(some) - 1 if self._replace(some, [made]) else 0

    def _without(self, table: Table, file: DataFile, keep: Keep) -> int:
        """The file without the rows that are not to stay; how many those are."""
        kept: list[pa.Array] = []
        left_out: Counter[int] = Counter()
        for part in files.read(table, file.file_path):
            kept.append(pa.array(keep(part), pa.bool_()))
            left_out.update(files.by_partition(part.filter(pc.invert(kept[-1]))[PARTITION]))
        gone = left_out.total()
        if not gone:
            return 0
        made: list[DataFile] = []
        if gone < file.record_count:
            rest = (part.filter(mask) for part, mask in zip(files.read(table, file.file_path), kept, strict=True))
            made.append(files.stream(table, schema_to_pyarrow(table.schema()), rest, file.partition))
        return gone if self._replace([file], made, {"forgotten": left_out}) else 0

    def _replace(
        self, old: Sequence[DataFile], new: Sequence[DataFile], gone: Mapping[str, Mapping[int, int]] | None = None
    ) -> bool:
        """Commit new files in the place of old ones; False when some of these are not in the table any more."""
        paths = {one.file_path for one in old}
        backoff = Backoff(0.05, 2.0)
        done = False
        try:
            for _ in range(_TRIES):
                table = self._table.load()
                there = [task.file for task in _tasks(table) if task.file.file_path in paths and not task.delete_files]
                if len(there) < len(paths):
                    break
                try:
                    _commit(table, there, new, positions.carried(table, gone))
                except CommitFailedException:
                    time.sleep(backoff.next())
                    continue
                done = True
                break
        finally:
            if not done:
                self._discard(new)
        return done

    def _discard(self, new: Sequence[DataFile]) -> None:
        """Put files away that were not committed, unless they were."""
        table = self._table.load()
        there = {task.file.file_path for task in _tasks(table)}
        files.delete(table.io, [one.file_path for one in new if one.file_path not in there])


def expired(times: Mapping[int, int], now: int, keep: float) -> list[int]:
    """The snapshots to forget, of some with their times in milliseconds since 1970.

    Those older than `keep` seconds, and but for the last hour all of an hour save its newest.
    """
    gone = []
    hours: set[int] = set()
    for snapshot, taken in sorted(times.items(), key=lambda one: -one[1]):
        hour = taken // _HOUR
        if now - taken > keep * 1000 or (now - taken > _HOUR and hour in hours):
            gone.append(snapshot)
        hours.add(hour)
    return gone


def _commit(table: Table, old: Sequence[DataFile], new: Sequence[DataFile], carried: str) -> None:
    summary = {positions.KEY: carried, files.SAME_ROWS: "true"}
    with one_snapshot(table) as transaction:
        with transaction.update_snapshot(snapshot_properties=summary).overwrite() as snapshot:
            for one in old:
                snapshot.delete_data_file(one)
            for one in new:
                snapshot.append_data_file(one)
        transaction.set_properties(remembered(table, carried))


def _tasks(table: Table) -> list[Any]:
    return list(table.scan().plan_files()) if table.current_snapshot() is not None else []


def _packed(small: Sequence[DataFile], target: int) -> Iterator[list[DataFile]]:
    """Files, oldest first, that make one of the wanted size together; a few are not worth it."""
    some: list[DataFile] = []
    size = 0
    for one in small:
        if some and size + one.file_size_in_bytes > target:
            yield some
            some, size = [], 0
        some.append(one)
        size += one.file_size_in_bytes
    if len(some) >= _FEWEST:
        yield some


def _used(table: Table) -> set[str]:
    """The files that some snapshot of the table needs."""
    metadata = table.metadata
    used = {table.metadata_location, *(one.metadata_file for one in metadata.metadata_log)}
    used.update(one.statistics_path for one in metadata.statistics)
    seen: set[str] = set()
    for snapshot in metadata.snapshots:
        used.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            used.update(entry.data_file.file_path for entry in entries)
    return used | seen
