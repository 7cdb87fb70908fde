"""How many rows a table of the lake has by partition of the topic: counted in its files, each of them once."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan

from etld.sinks.iceberg import files
from etld.sinks.postgres.columns import PARTITION

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table


class RowCounter:
    """Remembers what it has counted, since a file never changes."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, int]] = {}

    def count(self, table: Table, seconds: float = math.inf) -> Counter[int] | None:
        """The rows of the newest snapshot by number of the partition.

        None when that takes longer: the next call goes on. Raises whatever the storage raises.
        """
        until = time.monotonic() + seconds
        total: Counter[int] = Counter()
        known: dict[str, dict[int, int]] = {}
        for task in table.scan().plan_files() if table.current_snapshot() is not None else ():
            if task.delete_files:
                total.update(_left(table, task))
                continue
            path = task.file.file_path
            if path not in self._known:
                if time.monotonic() > until:
                    return None
                self._known[path] = files.counts(table, task.file)
            known[path] = self._known[path]
            total.update(known[path])
        self._known = known
        return total


def _left(table: Table, task: FileScanTask) -> dict[int, int]:
    """Of a file of which another engine has deleted rows beside it."""
    scan = ArrowScan(table.metadata, table.io, table.schema().select(PARTITION), AlwaysTrue())
    return files.by_partition(scan.to_table([task])[PARTITION])
