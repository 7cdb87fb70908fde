"""What a record names its schema by."""

from __future__ import annotations

from uuid import UUID


class LongId(int):
    """An id that came in eight bytes, as Apicurio's older producers write it."""


#: An id that a registry gave, or the GUID of the schema's content.
SchemaRef = int | UUID


def of_text(text: str) -> SchemaRef:
    """What `str` made a text of; raises ValueError for another."""
    return UUID(text) if "-" in text else int(text)
