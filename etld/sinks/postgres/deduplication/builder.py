"""Making the filters of this host: one process at a time, at low cost, from what a leaf held at one moment."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL
from etld.postgres.snapshot import snapshot
from etld.sinks.postgres.deduplication import filter_file
from etld.sinks.postgres.deduplication import leaves as leaf_rows
from etld.sinks.postgres.deduplication.id_filter import as_numbers
from etld.util.files import Busy, locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from etld.postgres.connections import Connection
    from etld.sinks.postgres.deduplication.leaves import Leaf

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "builder")
# Pages of a leaf that are read at once: about 50,000 ids.
_PIECE = 2048
# Seconds that a leaf has to have the same version before its filter is made: late rows come in many batches.
_STABLE = 10.0


class FilterBuilder:
    """Keeps the filters in `directory` as they should be: those of the leaves of `window` seconds.

    `pause(seconds)` is called between two pieces of work, to rest and to show life; it says whether to go on.
    """

    def __init__(self, directory: Path, window: float, pause: Callable[[float], bool], stable: float = _STABLE) -> None:
        self._directory = directory
        self._window = window
        self._pause = pause
        self._stable = stable
        self._seen: dict[int, tuple[int, float]] = {}

    def run(self, conn: Connection) -> None:
        """Make what is missing or old, remove what no leaf is for. Raises the database's errors and OSError."""
        leaves = leaf_rows.final(conn, self._window)
        if not leaves and not self._directory.is_dir():
            return
        self._directory.mkdir(mode=0o700, exist_ok=True)
        try:
            with locked(self._directory, wait=False):
                self._remove_others(leaves)
                for leaf in leaves:
                    if self._is_due(leaf) and not self._make(conn, leaf):
                        return
        except Busy:
            pass  # another process of this host is at it

    def size(self) -> int:
        """Bytes of all filters."""
        return sum(path.stat().st_size for path in self._directory.glob(f"*{filter_file.SUFFIX}"))

    def _remove_others(self, leaves: Sequence[Leaf]) -> None:
        wanted = {filter_file.path_of(self._directory, leaf) for leaf in leaves}
        for path in self._directory.iterdir():
            # Also what a process left behind that was killed while it wrote.
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _is_due(self, leaf: Leaf) -> bool:
        if filter_file.version_of(self._directory, leaf) == leaf.version:
            return False
        now = time.monotonic()
        version, since = self._seen.get(leaf.oid, (0, 0.0))
        if version != leaf.version:
            self._seen[leaf.oid] = (leaf.version, now)
            return not self._stable
        return now - since >= self._stable

    def _make(self, conn: Connection, leaf: Leaf) -> bool:
        """False when it was told to stop."""
        began = time.monotonic()
        with snapshot(conn):
            row = conn.execute(_SQL.state, {"name": leaf.name}).fetchone()
            if row is None or row[0] != leaf.version:
                return True  # it was written since, or is gone
            pages, file = row[1], None
            read = SQL(_SQL.piece.decode()).format(leaf=leaf.table)
            for begin in range(0, max(pages, 1), _PIECE):
                if not self._pause(time.monotonic() - began):
                    return False
                began = time.monotonic()
                (ids,) = conn.execute(read, {"begin": begin, "end": begin + _PIECE}, binary=True).fetchone() or (None,)
                # As many on every page as on the first: a guess will do, and counting them all would take a while.
                file = file or filter_file.FilterFile(leaf, len(ids or b"") // 16 * pages // max(1, min(pages, _PIECE)))
                file.add(as_numbers(ids or b""))
        assert file is not None
        file.put(self._directory)
        log.info("made the filter of %s: %d event ids", leaf.name, file.count)
        return True
