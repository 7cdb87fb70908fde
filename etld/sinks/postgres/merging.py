"""Rows by way of a staging table, for a batch that PostgreSQL does not take as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.postgres import statements
from etld.postgres.connections import PooledConnection
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.sinks.base import PIECE, RefusedRow, SinkError, StoredRows, TooManyRefused
from etld.sinks.postgres import swallowed_by
from etld.sinks.postgres.columns import COPIED_TYPES, OFFSET, PARTITION, filled
from etld.sinks.postgres.copy_binary import to_binary
from etld.sinks.postgres.partitions import missing
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.compose import Composed
    from etld.postgres.connections import Cursor
    from etld.sinks.base import Verdict

_SQL = statements.load(__package__, "merging")
_STAGING, _PASSING_STAGING = filled(_SQL.staging), filled(_SQL.passing_staging)
_COPY, _MERGE, _INSERT, _EMPTY = filled(_SQL.copy), filled(_SQL.merge), filled(_SQL.insert), _SQL.empty
# So few rows, one of which is refused, are looked at one by one.
_FEW = 8


class _Swallowed(Exception):
    """Rows went in and are not there: `places` has partition and offset of each."""

    def __init__(self, places: list[tuple[int, int]]) -> None:
        super().__init__(len(places))
        self.places = places


def merge(cur: Cursor, frames: Sequence[pl.DataFrame], verdict: Verdict, *, partitioned: bool) -> StoredRows:
    """Rows whose event id is not stored yet; what PostgreSQL refuses is bisected down to the row.

    In a table with partitions the caller is alone, and has left out what is stored. Raises `TooManyRefused`, and
    `SinkError` where a rule of the table is in the way.
    """
    cur.execute(_SQL.immediate)
    found = swallowed_by.triggers(cur)
    # A conflict is nothing that a table without triggers swallows.
    watch = swallowed_by.explain(found) if found or verdict != "conflict" else None
    return _merged(cur, frames, _INSERT if partitioned else _MERGE, watch)


def merge_into(cur: Cursor, frames: Sequence[pl.DataFrame], statement: Composed) -> StoredRows:
    """Rows into another table of the same columns, one frame after the other.

    `statement` takes those it wants out of pg_temp.etld_staging and gives their numbers by partition; what PostgreSQL
    refuses is bisected down to the row. Raises `TooManyRefused`.
    """
    return _merged(cur, frames, statement, None)


def _merged(cur: Cursor, frames: Sequence[pl.DataFrame], statement: bytes | Composed, watch: str | None) -> StoredRows:
    # Outside of savepoints, since to make it anew costs more than a merge.
    cur.execute(_PASSING_STAGING if isinstance(cur.connection, PooledConnection) else _STAGING)
    merging = _Merging(cur, statement, watch)
    stored: dict[int, int] = {}
    for frame in frames:
        _add(stored, merging.rows(frame))
    return StoredRows(stored, merging.refused)


class _Merging:
    """`watch`: why a row may not be there that went in, None where there is no need to look."""

    def __init__(self, cur: Cursor, statement: bytes | Composed, watch: str | None) -> None:
        self._cur = cur
        self._statement = statement
        self._watch = watch
        self.refused: list[RefusedRow] = []

    def rows(self, frame: pl.DataFrame) -> dict[int, int]:
        """How many went in, by number of the partition; the rest is stored already, or `refused`."""
        if not frame.height:
            return {}
        refused = self.refused
        try:
            with self._cur.connection.transaction():
                return self._whole(to_binary(frame, COPIED_TYPES))
        except _Swallowed as error:
            # Whatever was done with them is undone, and the rest goes again without them.
            gone = pl.DataFrame(error.places, {PARTITION: pl.Int32, OFFSET: pl.Int64}, orient="row")
            out = frame.join(gone, on=[PARTITION, OFFSET], how="semi")
            refused += [RefusedRow(int(row), "Swallowed", self._watch or "", silently=True) for row in out["row"]]
            if len(refused) > PIECE and frame.height > PIECE:
                raise TooManyRefused(f"triggers swallow more than {PIECE} records of a batch") from error
            return self.rows(frame.join(gone, on=[PARTITION, OFFSET], how="anti"))
        except (DatabaseError, UnicodeError) as error:
            swallowed_by.refuse_rules(self._cur, error)
            if isinstance(error, DatabaseError) and missing.is_missing(error):
                raise SinkError(missing.explained(error), "retry", code="ETLD-P022") from error
            if classify(error) not in ("data", "conflict"):
                raise
            if frame.height == 1:
                text = one_line(error) or type(error).__name__
                refused.append(RefusedRow(int(frame["row"][0]), type(error).__name__, text, sqlstate(error)))
                if len(refused) > PIECE:
                    raise TooManyRefused(f"PostgreSQL refuses more than {PIECE} records of a batch") from error
                return {}
        # Among many refused records the halves of a few are refused too: look at each at once.
        step = 1 if frame.height <= _FEW else (frame.height + 1) // 2
        stored: dict[int, int] = {}
        for piece in frame.iter_slices(step):
            _add(stored, self.rows(piece))
        return stored

    def _whole(self, rows: bytes) -> dict[int, int]:
        cur = self._cur
        with cur.copy(_COPY) as out:
            out.write(rows)
        cur.execute(self._statement)
        stored = {int(number): int(count) for number, count in cur.fetchall()}
        if self._watch is not None and (places := cur.execute(_SQL.swallowed).fetchall()):
            raise _Swallowed(places)
        cur.execute(_EMPTY)
        return stored


def _add(total: dict[int, int], more: Mapping[int, int]) -> None:
    for key, number in more.items():
        total[key] = total.get(key, 0) + number
