"""From decoded records to the rows that count: storable, transformed, storable still.

Processor and aggregator take the same steps here, so that a summary equals the same query over the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.frames.storable import unstorable
from etld.frames.transform import TransformBroken
from etld.serdes.base import BadRecord

if TYPE_CHECKING:
    from etld.frames.transform import Transform


def ready(
    frame: pl.DataFrame, transform: Transform | None, event_type: str | None
) -> tuple[pl.DataFrame, pl.DataFrame, list[BadRecord]]:
    """(rows that stay, rows that the transform filtered out, rows that are bad).

    Raises `TransformBroken` when the transform does not keep its contract.
    """
    frame, bad = _without(frame, unstorable(frame, event_type))
    filtered = frame.clear()
    if transform is None:
        return frame, filtered, bad
    frame, filtered, more = transformed(transform, frame)
    # What a function made of a good record is held to the same limits.
    frame, still = _without(frame, unstorable(frame, event_type))
    return frame, filtered, bad + more + still


def transformed(transform: Transform, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[BadRecord]]:
    """(kept, filtered, bad): a function that raises is bisected down to the rows it raises for."""
    if not frame.height:
        return frame, frame.clear(), []
    try:
        kept, filtered = transform(frame)
    except (TransformBroken, MemoryError):
        # What is too large for a process is looked for in another way, with less of it in one.
        raise
    except Exception as error:
        if frame.height == 1:
            bad = BadRecord(int(frame["row"][0]), "TRANSFORM", type(error).__name__, str(error) or "no message")
            return frame.clear(), frame.clear(), [bad]
    else:
        return kept, filtered, []
    middle = frame.height // 2
    left = transformed(transform, frame.head(middle))
    right = transformed(transform, frame.slice(middle))
    return pl.concat([left[0], right[0]]), pl.concat([left[1], right[1]]), left[2] + right[2]


def _without(frame: pl.DataFrame, bad: list[BadRecord]) -> tuple[pl.DataFrame, list[BadRecord]]:
    if not bad:
        return frame, bad
    return frame.filter(~pl.col("row").is_in([one.row for one in bad])), bad
