"""The columns of processed_events, declared once: COPY, staging table, merge and reading are made from this list.

A new column is a line here and a migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

# Types whose values all have one size: they come first in a row, so that they are packed side by side.
_FIXED_SIZE = frozenset({"uuid", "timestamptz", "integer", "bigint"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, and how a frame of events gives it.

    `value` is an expression over the frame; None for the frame's column of the same name. One that is not copied is
    filled by the table.
    """

    name: str
    type: str
    value: pl.Expr | None = None
    copied: bool = True


#: Which events there are is told by this one.
EVENT_ID: Final = "event_id"
EVENT_TYPE: Final = "event_type"
PARTITION: Final = "kafka_partition"
OFFSET: Final = "kafka_offset"
ACCEPTED_AT: Final = "accepted_at"

#: In the order in which `etld trace` tells them.
COLUMNS: Final = (
    Column(EVENT_ID, "uuid"),
    Column("event_name", "text"),
    Column(EVENT_TYPE, "text"),
    Column("user_details", "jsonb"),
    Column("event_details", "jsonb"),
    Column("triggered_at", "timestamptz"),
    Column(ACCEPTED_AT, "timestamptz"),
    Column("processed_at", "timestamptz", copied=False),
    Column(PARTITION, "integer"),
    Column(OFFSET, "bigint"),
)

#: Those that are copied, in the order of COPY.
COPIED: Final = tuple(sorted((one for one in COLUMNS if one.copied), key=lambda one: one.type not in _FIXED_SIZE))
#: Name to type of those.
COPIED_TYPES: Final = {one.name: one.type for one in COPIED}


def filled(sql: bytes) -> bytes:
    """SQL with the list of columns in the place of {copied}, {staged} (with types) or {read}.

    {same}: are two rows, `s` and `e`, the same in all that is copied?
    """
    copied = ", ".join(one.name for one in COPIED)
    staged = ", ".join(f"{one.name} {one.type}" for one in COPIED)
    read = ", ".join(f"{one.name}::text" if one.type == "uuid" else one.name for one in COLUMNS)
    same = " AND ".join(f"s.{one.name} IS NOT DISTINCT FROM e.{one.name}" for one in COPIED)
    text = sql.decode()
    for mark, names in (("{copied}", copied), ("{staged}", staged), ("{read}", read), ("{same}", same)):
        text = text.replace(mark, names)
    return text.encode()
