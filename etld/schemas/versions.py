"""What a registry holds for the configured event types, and what it says of a schema that is not there yet."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING

from etld.schemas.event_schema import problems
from etld.schemas.registration import subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.schemas.registry import Registry
    from etld.schemas.registry.base import Version


def registered(config: Config, registry: Registry) -> Iterator[tuple[str, Version]]:
    """Every version of every event type, with its name: oldest first. Raises `RegistryUnavailable`."""
    for name, kind in config.event_types.items():
        for version in registry.versions(subject(kind.topic)):
            yield name, version


def refusals(config: Config, registry: Registry, event_type: str, text: str) -> list[str]:
    """Why etld cannot use a schema for an event type, or why it may not follow the registered versions; [] if it may.

    Raises `RegistryUnavailable`.
    """
    return problems(text) or registry.check(subject(config.event_types[event_type].topic), text)


def difference(old: str, new: str, names: tuple[str, str]) -> list[str]:
    """The lines of a unified diff of two schemas, each laid out alike."""
    return list(difflib.unified_diff(laid_out(old), laid_out(new), *names, lineterm=""))


def laid_out(schema: str) -> list[str]:
    """The lines of a schema, as people read it."""
    return json.dumps(json.loads(schema), indent=2, ensure_ascii=False).splitlines()
