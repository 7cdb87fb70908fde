"""The configuration, checked by every part that understands a table of it better than `etld.config` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from etld import config
from etld.console import config_check as console
from etld.deadletters.rules import config_check as rules
from etld.ingest import config_check as ingest
from etld.postgres import config_check as postgres
from etld.schemas import config_check as schemas
from etld.summaries import config_check as summaries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etld.config.mistakes import Check
    from etld.errors import Problem

#: A new check is a line here.
CHECKS: tuple[Check, ...] = (
    schemas.check,
    ingest.check,
    rules.check,
    summaries.check,
    postgres.check,
    console.check,
)


def load(
    path: Path | None = None, env: Mapping[str, str] = os.environ, later: list[Problem] | None = None
) -> config.Config:
    """`etld.config.load` with all of CHECKS; raises ConfigError with every mistake."""
    return config.load(path, env, CHECKS, later)


def parse(text: str, source: Path, later: list[Problem] | None = None) -> config.Config:
    """`etld.config.parse` with all of CHECKS, as if `text` stood in the file `source`; raises ConfigError."""
    return config.parse(text, source, os.environ, CHECKS, later)
