"""When Kafka took records, as rows and counted ids have it."""

from __future__ import annotations

import time
from typing import Final

import polars as pl

#: What the column of a frame is called.
ACCEPTED_AT: Final = "accepted_at"


def accepted(milliseconds: pl.Series) -> pl.Series:
    """The column, of times since 1970.

    A foreign producer may write anything; what has no time, or one that is to come, came now.
    """
    now = int(time.time() * 1000)
    known = milliseconds.is_between(1, now)
    times = (milliseconds if known.all() else milliseconds.zip_with(known, pl.Series([now]))) * 1000
    return times.cast(pl.Datetime("us", "UTC")).alias(ACCEPTED_AT)
