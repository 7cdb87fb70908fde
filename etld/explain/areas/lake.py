"""What may go wrong: the lake."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "L",
    "The lake",
    Entry(
        "ETLD-L001",
        "The lake does not answer",
        meaning=(
            "The catalog or the storage of `[lake]` cannot be reached, refuses the credentials, or is too slow. The "
            "lake's workers wait; the table in PostgreSQL is not touched by that."
        ),
        remedy="Check `lake.catalog`, `lake.warehouse` and the credentials from this host. It goes on by itself.",
        words={"fault": ("lake",)},
    ),
    Entry(
        "ETLD-L002",
        "The lake is off",
        meaning="The command works on the lake, and `[lake] enabled` is false.",
        remedy="Set `enabled = true` below `[lake]`, then `etld reload`.",
    ),
    Entry(
        "ETLD-L003",
        "The lake's libraries are not installed",
        meaning="pyiceberg and pyarrow come with an extra.",
        remedy='`pip install "etld[lake]"`, then `etld restart lake`.',
    ),
    Entry(
        "ETLD-L004",
        "The lake's catalog cannot be opened",
        meaning=(
            "`lake.credentials_file` has a line that is not `name = value`, or the embedded catalog has no database "
            "to be in."
        ),
        remedy="Mend the file, or see ETLD-P001.",
    ),
)
