"""Prepared batches that wait for each other: a sink that writes seldom takes many of them as one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from etld.kafka.types import Partition
    from etld.stream.batch import Batch
    from etld.stream.handler import BatchHandler, Work


class Gathering:
    """Of one session. Without a handler's `gathers` it takes nothing, and every batch is written by itself."""

    def __init__(self, handler: BatchHandler[Any]) -> None:
        self._handler = handler
        self._works: list[Work] = []
        self._size = 0
        self._since = 0.0

    def __bool__(self) -> bool:
        return bool(self._works)

    @property
    def is_on(self) -> bool:
        """Does the role have its batches gathered?"""
        return self._handler.gathers is not None

    @property
    def is_due(self) -> bool:
        """Is it time to write them?"""
        limits = self._handler.gathers
        if limits is None or not self._works:
            return False
        return self.is_full or time.monotonic() - self._since >= limits.seconds

    @property
    def is_full(self) -> bool:
        """Is there no room for more?"""
        return self._handler.gathers is not None and self._size >= self._handler.gathers.size

    def add(self, work: Work) -> None:
        """One more, which follows the last one."""
        if not self._works:
            self._since = time.monotonic()
        work = self._handler.gathered([work])
        self._works.append(work)
        self._size += self._handler.size(work)

    def take(self) -> Work:
        """All of them as one; there are some."""
        works, self._works, self._size = self._works, [], 0
        work: Work = self._handler.gathered(works)
        return work

    def drop(self, partitions: Collection[Partition]) -> None:
        """Without some partitions, which are read again by another."""
        kept = (self._handler.without(work, partitions) for work in self._works)
        self._works = [work for work in kept if work is not None]
        self._size = sum(map(self._handler.size, self._works))

    def batches(self) -> list[Batch]:
        """What waits."""
        return [work.batch for work in self._works]
