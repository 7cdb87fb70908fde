"""Questions to a schema registry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from etld.schemas.reference import SchemaRef
    from etld.schemas.registry import Registry


def schema_of(registry: Registry, schema_id: SchemaRef) -> str | None:
    """The schema with an id or a GUID, None when there is none; raises `SchemaError` for one of no use."""
    ((found_id, found),) = registry.look_up([schema_id], math.inf, lambda: None)
    assert found_id == schema_id
    if isinstance(found, SchemaError):
        raise found
    return found
