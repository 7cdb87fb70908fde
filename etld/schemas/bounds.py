"""How much a schema may ask for, whoever wrote it: one list, held to when the schema is read.

Without it a schema of a few bytes makes reading one record take minutes, or all memory.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """At most so many of something, and why no more."""

    most: int
    what: str
    why: str

    def problem(self, path: str, found: int) -> str | None:
        """Why a schema with so many at `path` cannot be used; None when it can."""
        if found <= self.most:
            return None
        return f"{path}: {found:,} {self.what}; at most {self.most:,} are taken, because {self.why}"


SIZE = Bound(1 << 20, "bytes of schema", "all of it is kept as long as its records may come")
DEPTH = Bound(64, "types inside one another", "reading and writing go as deep, and PostgreSQL and Polars with them")
PARTS = Bound(10_000, "fields, types, symbols and values of defaults", "every record is read through all of them")
NAME = Bound(255, "characters in a name", "names stand in every row and every message")
SYMBOLS = Bound(2_000, "symbols of an enum", "each is looked for in the order of the schema")
BRANCHES = Bound(64, "types in a union", "a value is held against each of them")
ALIASES = Bound(64, "aliases of a field", "each is looked for in every event")
PRECISION = Bound(1_000, "digits of a decimal", "PostgreSQL's numeric declares no more")
FIXED = Bound(65_536, "bytes of a fixed", "all of them are made even of a small number")
DEFAULT = Bound(16_384, "bytes of a default", "it is written into every event without the field")
SILENT = Bound(10, "fields of type null or of no bytes", "a record grows by them without a byte on the wire")
