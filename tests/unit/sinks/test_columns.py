"""The columns of processed_events: everything that is made from the one list."""

from __future__ import annotations

from etld.postgres import statements
from etld.sinks.postgres.columns import COLUMNS, COPIED, filled

FIXED_SIZE = ("uuid", "timestamptz", "integer", "bigint")


def test_columns_of_a_fixed_size_are_copied_first() -> None:
    """So that they are packed side by side."""
    sizes = [one.type in FIXED_SIZE for one in COPIED]
    assert sizes == sorted(sizes, reverse=True)


def test_every_statement_has_its_columns() -> None:
    """No mark is left, and what the table fills itself is read and not copied."""
    names = ("event_rows", "read_rows", "merging")
    written, read, merging = (statements.load("etld.sinks.postgres", name) for name in names)
    found = [
        written.copy,
        read.one,
        merging.staging,
        merging.passing_staging,
        merging.copy,
        merging.merge,
        merging.insert,
    ]
    assert not [sql for sql in found if b"{" in filled(sql)]
    assert b"processed_at" not in filled(merging.merge)
    assert all(one.name.encode() in filled(read.one) for one in COLUMNS)
