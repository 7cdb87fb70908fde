"""The binary rows that COPY reads."""

from __future__ import annotations

import json
import uuid

import numpy as np
import polars as pl
import pytest

from etld.sinks.postgres.copy_binary import rows_of, to_binary


def fields(rows: bytes) -> list[list[bytes | None]]:
    """COPY's binary format, read as its documentation says."""
    assert rows[:19] == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    at, found = 19, []
    while (count := int.from_bytes(rows[at : at + 2], signed=True)) >= 0:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            size = int.from_bytes(rows[at : at + 4], signed=True)
            at += 4
            row.append(rows[at : at + size] if size >= 0 else None)
            at += max(0, size)
        found.append(row)
    assert rows[at:] == b"\xff\xff"
    return found


def test_binary_rows_keep_null_and_nasty_text() -> None:
    """A null struct is NULL, an empty text is none, and text comes back as it was."""
    nasty = ["\\.", '"', ",", "\r\n", "", "ü 🎉", "\ufeff", "NULL", "\\N", "x" * 70_000]
    data = pl.DataFrame({"t": [*nasty, None], "s": [*({"a": text} for text in nasty), None]})
    *rows, last = fields(to_binary(data, {"t": "text", "s": "jsonb"}))
    assert [(row[0] or b"").decode() for row in rows] == nasty
    assert all(row[1] is not None and row[1][:1] == b"\x01" for row in rows)
    assert [json.loads((row[1] or b"")[1:])["a"] for row in rows] == nasty
    assert last == [None, None]


def test_binary_rows_of_numbers_times_and_ids() -> None:
    """Big-endian, a time from 2000 on in microseconds, an id in its 16 bytes; a null number is NULL."""
    ids = [uuid.uuid4() for _ in range(3)]
    data = pl.DataFrame(
        {
            "u": [str(ids[0]), str(ids[1]).upper(), str(ids[2])],
            "i": pl.Series([1, -2, None], dtype=pl.Int32),
            "b": [2**62, -1, 0],
            "w": pl.Series([0, 946_684_800_000_001, None], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
        }
    )
    rows = fields(to_binary(data, {"u": "uuid", "i": "integer", "b": "bigint", "w": "timestamptz"}))
    assert [row[0] for row in rows] == [one.bytes for one in ids]
    numbers = [[None if f is None else (len(f), int.from_bytes(f, signed=True)) for f in row[1:]] for row in rows]
    assert numbers == [
        [(4, 1), (8, 2**62), (8, -946_684_800_000_000)],
        [(4, -2), (8, -1), (8, 1)],
        [None, (8, 0), None],
    ]
    assert fields(to_binary(data.clear(), {"i": "integer"})) == []


def test_many_binary_rows_come_in_the_order_of_the_index() -> None:
    """Each row whole; few of them stay in their own order."""
    data = pl.DataFrame({"name": [f"n{i}" for i in range(3000)], "u": [str(uuid.uuid4()) for _ in range(3000)]})
    columns = {"name": "text", "u": "uuid"}
    as_they_are = fields(to_binary(data, columns))
    in_order = fields(to_binary(data, columns, "u"))
    assert in_order == sorted(as_they_are, key=lambda row: row[1] or b"") != as_they_are
    few = data.head(500)
    assert fields(to_binary(few, columns, "u")) == fields(to_binary(few, columns))


@pytest.mark.parametrize("height", [7, 2500])
def test_rows_can_be_left_out_of_what_was_made(height: int) -> None:
    """The rest is as it would be without them, and each row is still known by its id and its place."""
    ids = [str(uuid.uuid4()) for _ in range(height)]
    data = pl.DataFrame({"u": ids, "name": ["x" * (i % 50) for i in range(height)]})
    columns = {"u": "uuid", "name": "text"}
    made = rows_of([data.head(3), data.slice(3)], columns, "u")
    assert fields(b"".join(made.pieces())) == fields(to_binary([data.head(3), data.slice(3)], columns, "u"))
    keys = [made.keys[at : at + 16] for at in range(0, len(made.keys), 16)]
    assert keys == [uuid.UUID(ids[place]).bytes for place in made.order]
    for gone in ([0], [height - 1], [0, 1, height // 2], list(range(height))):
        mask = np.zeros(height, np.bool_)
        mask[gone] = True
        left = [key for key, out in zip(keys, mask, strict=True) if not out]
        assert [row[0] for row in fields(b"".join(made.pieces(mask)))] == left
