"""Schema ids: who gives them, and which schema each one is."""

from etld.schemas.registry.base import Incompatible, Registry, RegistryUnavailable, UnknownSchema, Version
from etld.schemas.registry.cache import SchemaCache
from etld.schemas.registry.opening import open_registry, open_schemas

__all__ = [
    "Incompatible",
    "Registry",
    "RegistryUnavailable",
    "SchemaCache",
    "UnknownSchema",
    "Version",
    "open_registry",
    "open_schemas",
]
