"""Rows and dead letters of a rebuild, until they replace those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.deadletters import outbox
from etld.postgres import statements
from etld.postgres.compose import SQL, Literal
from etld.sinks.postgres.columns import filled
from etld.sinks.postgres.merging import merge_into

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Cursor
    from etld.sinks.base import StoredRows

_SQL = statements.load(__package__, "record")
_TURN = "etld_turn"


class Shadow:
    """The table etld.rebuild_event; an event_id is known for `window` seconds there too."""

    def __init__(self, window: float) -> None:
        text = filled(_SQL.add).decode()
        self._statement = SQL(text).format(window=Literal(window))

    def add(self, cur: Cursor, frames: Sequence[pl.DataFrame]) -> StoredRows:
        """Add events that are not there, nor in a row of processed_events that stays; the others are duplicates.

        Raises `TooManyRefused` and psycopg errors.
        """
        return merge_into(cur, in_turn(frames), self._statement)


def add_letters(cur: Cursor, letters: Sequence[outbox.Letter]) -> None:
    """Keep dead letters, each once."""
    if letters:
        cur.execute(_SQL.add_letters, outbox.columns_of(letters))


def in_turn(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """The frames so divided that none has an event id twice: what is added before is known to what comes after."""
    some = [frame for frame in frames if frame.height]
    if not some:
        return []
    ids = pl.concat([frame["event_id"].str.to_lowercase() for frame in some])
    if ids.n_unique() == len(ids):
        return some
    turns = ids.alias("id").to_frame().select(pl.int_range(pl.len()).over("id")).to_series()
    found, begin = [], 0
    for frame in some:
        found.append(frame.with_columns(turns.slice(begin, frame.height).alias(_TURN)))
        begin += frame.height
    return [
        frame.filter(pl.col(_TURN) == turn).drop(_TURN) for turn in sorted(turns.unique().to_list()) for frame in found
    ]
