"""Which rows of the lake are of subjects that were forgotten: found as in the records that they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from etld.erasure.arrival import Coordinates
from etld.erasure.records import place
from etld.serdes.columns import JSON_TEXT
from etld.sinks.postgres.columns import ACCEPTED_AT, EVENT_ID, OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.erasure.arrival import Erasures
    from etld.sinks.postgres.view_columns import ViewColumn

_DETAILS = ("user_details", "event_details")
# Where the dashes of a UUID stand, in digits.
_GROUPS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))


class ForgottenRows:
    """For tables with these columns; `topic_ids` are those of the topic's partitions, by number."""

    def __init__(self, erasures: Erasures, columns: Sequence[ViewColumn], topic_ids: Mapping[int, str]) -> None:
        self._erasures = erasures
        self._columns = columns
        self._topic_ids = topic_ids

    def kept(self, part: pa.Table) -> pa.Array:
        """A mask of the rows that are to stay."""
        frame = self._events(part)
        numbers = frame[PARTITION].to_list()
        places = {number: place(self._topic_ids.get(number, ""), number) for number in set(numbers)}
        came = Coordinates(
            [places[number] for number in numbers],
            frame[OFFSET].to_list(),
            frame[ACCEPTED_AT].dt.epoch("ms").to_list(),
        )
        gone = self._erasures.rows(frame, came)
        return (~pl.int_range(frame.height, eager=True).is_in(gone)).to_arrow()

    def _events(self, part: pa.Table) -> pl.DataFrame:
        """The rows as a frame of events."""
        ids = part[EVENT_ID].combine_chunks()
        stored = pa.chunked_array([ids.storage if isinstance(ids, pa.ExtensionArray) else ids])
        flat = pl.from_arrow(part.drop_columns([EVENT_ID]))
        assert isinstance(flat, pl.DataFrame)
        digits = pl.Series(EVENT_ID, stored.cast(pa.binary()).to_pylist(), pl.Binary).bin.encode("hex")
        text = pl.concat_str([pl.col(EVENT_ID).str.slice(*group) for group in _GROUPS], separator="-")
        made = digits.to_frame().select(text)
        plain = [flat[name] for name in ("event_name", "triggered_at", ACCEPTED_AT, PARTITION, OFFSET)]
        return made.with_columns(*plain, *(self._details(flat, name) for name in _DETAILS))

    def _details(self, flat: pl.DataFrame, name: str) -> pl.Series:
        """A record of the details; what is JSON in the table is JSON in it."""
        fields = [
            (flat[one.name].cast(JSON_TEXT) if one.type == "jsonb" else flat[one.name]).alias(one.field)
            for one in self._columns
            if one.details == name and one.name in flat.columns
        ]
        if not fields:
            return pl.repeat(None, flat.height, dtype=pl.Struct([]), eager=True).alias(name)
        return pl.DataFrame(fields).to_struct(name)
