"""What is wrong with [[corrector.rules]]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.key_path import split
from etld.config.mistakes import Mistake
from etld.deadletters.rules import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.config.key_path import KeyPath


def check(config: Config, data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake in the rules, as they stand in the file: one broken rule does not hide those of the others."""
    corrector = data.get("corrector")
    tables = corrector.get("rules", []) if isinstance(corrector, dict) else []
    if not isinstance(tables, list) or not all(isinstance(rule, dict) for rule in tables):
        tables = config.corrector.rules
    for key, message in engine.check(tables):
        yield Mistake(split(key), message, code="ETLD-C014")
