"""Programs that lie inside an installed wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def program(package: str, *inside: str) -> str | None:
    """The path of a program by its place inside a package, which is not imported; None when it is not there."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *inside)
        if os.access(path, os.X_OK):
            return str(path)
    return None
