"""What is known of each webhook, in a file: it outlives the worker, and the console shows it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from etld.util.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read(path: Path) -> dict[str, Any]:
    """By webhook, what `AlertChannel.state` gave; nothing where there is no such file, or one that is none of ours."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Replace it. Raises OSError."""
    write_atomically(path, json.dumps(state).encode(), durable=False)
