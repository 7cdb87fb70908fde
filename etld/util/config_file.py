"""Which configuration file is meant when none is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CANDIDATES = (Path("config/etld.toml"), Path("/etc/etld/etld.toml"))
NOWHERE = f"no configuration: neither ./{CANDIDATES[0]} nor {CANDIDATES[1]} is there"


def find(named: Path | None, env: Mapping[str, str] = os.environ) -> Path | None:
    """`named`, else $ETLD_CONFIG (neither has to be there), else the first candidate that is; None: nowhere."""
    if named is None and env.get("ETLD_CONFIG"):
        named = Path(env["ETLD_CONFIG"])
    return named or next((path for path in CANDIDATES if path.is_file()), None)
