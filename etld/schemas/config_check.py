"""What is wrong with the schema files that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.schemas import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.config.key_path import KeyPath


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Files of event types that cannot be read, or are no Avro; one that is missing is config's own matter."""
    for name, kind in config.event_types.items():
        at = ("event_types", name, "schema")
        if not kind.schema.is_file():
            continue
        try:
            tree.read(kind.schema.read_text(encoding="utf-8"))
        except OSError as error:
            yield Mistake(at, f"cannot read {kind.schema}: {error.strerror}", code="ETLD-R003")
        except ValueError as error:
            yield Mistake(at, f"{kind.schema} is no Avro schema that etld can use: {error}", code="ETLD-R003")
