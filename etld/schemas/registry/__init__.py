"""Schema ids: who gives them, and which schema each one is."""

from etld.schemas.registry.base import Incompatible, Registry, RegistryUnavailable, Version, open_registry

__all__ = ["Incompatible", "Registry", "RegistryUnavailable", "Version", "open_registry"]
