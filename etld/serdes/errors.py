"""Why bytes are no event."""

from __future__ import annotations

from etld.errors import EtldError


class DecodeError(EtldError):
    """The bytes are not what they claim to be. `error_class` names the kind, for dead letters."""

    def __init__(self, error_class: str, message: str) -> None:
        self.error_class = error_class
        super().__init__(message)


class UnknownSchema(EtldError):
    """No schema has this id."""

    def __init__(self, schema_id: int) -> None:
        self.schema_id = schema_id
        super().__init__(f"no schema has the id {schema_id}")
