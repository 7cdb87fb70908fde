"""What a batch finds out about itself: which of its rows have one id, and which leaf each belongs to."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etld.sinks.postgres.deduplication.known_ids import BatchIds, BatchInLeaves, KnownIds
from etld.sinks.postgres.deduplication.leaves import Leaf

DAY = 86_400_000_000
WINDOW = 2
LEAVES = [Leaf("etld", f"day_{n}", n, None if n == 0 else n * DAY, (n + 1) * DAY) for n in range(6)]


def expected(rows: list[tuple[int, int]]) -> list[bool]:
    """The first of an id stays, and each that is in another leaf and further than the window from those that stay."""
    kept: list[tuple[int, int]] = []
    gone = []
    for event_id, hour in rows:
        known = [h for e, h in kept if e == event_id and (h // 24 == hour // 24 or abs(h - hour) <= WINDOW * 24)]
        gone.append(bool(known))
        if not known:
            kept.append((event_id, hour))
    return gone


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6 * 24 - 1)), min_size=1, max_size=40), st.randoms())
def test_of_rows_with_one_id_the_first_stays(rows: list[tuple[int, int]], random: Any) -> None:
    """Nothing is stored yet, so no table is asked; whatever order the rows are kept in."""
    order = list(range(len(rows)))
    random.shuffle(order)
    ids = np.array([[rows[at][0] % 2, rows[at][0]] for at in order], np.uint64)
    accepted = np.array([rows[at][1] * DAY // 24 for at in order], np.int64)
    known_ids = KnownIds(WINDOW * 86_400.0)
    batch = BatchInLeaves(known_ids, cast("Any", None), BatchIds(ids, accepted, np.array(order)), LEAVES, alone=True)
    found = batch.stored(all_own=False)
    gone = [False] * len(rows) if found is None else [bool(found[order.index(at)]) for at in range(len(rows))]
    assert gone == expected(rows)
