"""The filters of the leaves, as a writer of this host has them open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.sinks.postgres.deduplication import filter_file

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config
    from etld.sinks.postgres.deduplication.id_filter import IdFilter
    from etld.sinks.postgres.deduplication.leaves import Leaf

# Seconds until a file that was missing is looked for again.
_LOOK_EVERY = 1.0


def directory_of(config: Config) -> Path:
    """Where this host keeps them."""
    return config.state_dir / "filters"


class Filters:
    """Those in `directory`; None: there are none, and each look-up is made in the database."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._open: dict[int, tuple[int, IdFilter]] = {}
        self._looked: dict[int, tuple[int, float]] = {}

    def of(self, leaf: Leaf) -> IdFilter | None:
        """The filter of all ids that a leaf has in this version, if there is one."""
        if self._directory is None:
            return None
        version, found = self._open.get(leaf.oid, (0, None))
        if found is not None and version == leaf.version:
            return found
        now = time.monotonic()
        version, looked = self._looked.get(leaf.oid, (0, 0.0))
        if version == leaf.version and now < looked + _LOOK_EVERY:
            return None
        self._looked[leaf.oid] = (leaf.version, now)
        self._open.pop(leaf.oid, None)
        found = filter_file.opened(self._directory, leaf)
        if found is not None:
            self._open = {oid: one for oid, one in self._open.items() if self._there(oid)} | {
                leaf.oid: (leaf.version, found)
            }
        return found

    def _there(self, oid: int) -> bool:
        assert self._directory is not None
        return (self._directory / f"{oid}{filter_file.SUFFIX}").exists()
