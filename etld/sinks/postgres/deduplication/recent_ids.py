"""The ids that a writer wrote last: a client's retry mostly follows soon, and with its key to the same partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etld.sinks.postgres.deduplication.id_filter import IdFilter, words_for

if TYPE_CHECKING:
    from typing import Any

    from etld.sinks.postgres.deduplication.id_filter import Numbers

# Of each of two filters, the younger of which is being filled: 2 MiB each.
_IDS = 1 << 20


class RecentIds:
    """About the last million or two; only a hint of where a look-up pays, so it may have what was rolled back."""

    def __init__(self) -> None:
        self._filters = [_empty()]
        self._added = 0

    def may_have(self, ids: Numbers) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """For each id, whether it may be one of them."""
        found = np.zeros(len(ids), np.bool_)
        for one in self._filters:
            found |= one.may_have(ids)
        return found

    def add(self, ids: Numbers) -> None:
        """These are the last."""
        if self._added + len(ids) > _IDS:
            self._filters = [_empty(), self._filters[0]]
            self._added = 0
        self._filters[0].add(ids)
        self._added += len(ids)


def _empty() -> IdFilter:
    return IdFilter.empty(np.zeros(words_for(_IDS), np.uint64))
