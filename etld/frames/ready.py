"""From decoded records to the rows that count: storable, transformed, storable still.

Processor and aggregator take the same steps here, so that a summary equals the same query over the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import polars as pl

from etld.frames.storable import STAGE, unstorable
from etld.frames.transform import TransformBroken
from etld.serdes.base import ENDS, BadRecord, in_halves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etld.frames.transform import Transform

Encoded = TypeVar("Encoded")


def ready(
    frame: pl.DataFrame, transform: Transform | None, event_type: str | None
) -> tuple[pl.DataFrame, pl.DataFrame, list[BadRecord]]:
    """(rows that stay, rows that the transform filtered out, rows that are bad).

    Raises `TransformBroken` when the transform does not keep its contract.
    """
    frame, bad = _storable(frame, event_type)
    filtered = frame.clear()
    if transform is None:
        return frame, filtered, bad
    frame, filtered, more = transformed(transform, frame)
    # What a function made of a good record is held to the same limits.
    frame, still = _storable(frame, event_type)
    return frame, filtered, bad + more + still


def transformed(transform: Transform, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[BadRecord]]:
    """(kept, filtered, bad): a function that raises is bisected down to the rows it raises for."""
    if not frame.height:
        return frame, frame.clear(), []
    pairs, bad = in_halves(transform, frame, _row_of, "TRANSFORM", (*ENDS, TransformBroken))
    if len(pairs) == 1 and not bad:
        return *pairs[0], bad
    kept, filtered = ([frame.clear(), *(pair[side] for pair in pairs)] for side in (0, 1))
    return pl.concat(kept), pl.concat(filtered), bad


def encoded(
    encode: Callable[[Sequence[pl.DataFrame]], Encoded], frames: Sequence[pl.DataFrame]
) -> tuple[Encoded, list[BadRecord]]:
    """(what a sink makes of the frames, rows of which it can make nothing, and that are left out)."""
    try:
        return encode(frames), []
    except ENDS:
        raise
    except BaseException:
        kept, bad = [], []
        for frame in frames:
            rest, found = _without(frame, in_halves(lambda some: encode([some]), frame, _row_of, "TASK_PUT")[1])
            kept.append(rest)
            bad += found
        if not bad:
            raise
    return encode(kept), bad


def _storable(frame: pl.DataFrame, event_type: str | None) -> tuple[pl.DataFrame, list[BadRecord]]:
    found, bad = in_halves(lambda some: unstorable(some, event_type), frame, _row_of, STAGE)
    return _without(frame, [*(one for some in found for one in some), *bad])


def _row_of(frame: pl.DataFrame) -> int:
    return int(frame["row"][0])


def _without(frame: pl.DataFrame, bad: list[BadRecord]) -> tuple[pl.DataFrame, list[BadRecord]]:
    if not bad:
        return frame, bad
    return frame.filter(~pl.col("row").is_in([one.row for one in bad])), bad
