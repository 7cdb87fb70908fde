"""What a record names its schema by."""

from __future__ import annotations

from uuid import UUID


class LongId(int):
    """An id that came in eight bytes, as Apicurio's older producers write it."""


#: An id that a registry gave, or the GUID of the schema's content.
SchemaRef = int | UUID
