"""What is wrong with the DSNs of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.postgres import dsn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.config.key_path import KeyPath


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Parameters that cannot be had; that it is a DSN at all is config's own matter."""
    for key in ("dsn", "migration_dsn", "direct_dsn"):
        given = getattr(config.postgres, key)
        if given in ("", "embedded") or not ("://" in given or "=" in given):
            continue
        for why in dsn.problems(given, config.postgres.connect_timeout):
            yield Mistake(("postgres", key), why, code="ETLD-C015")
