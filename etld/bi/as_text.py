"""What tools read, as text."""

from __future__ import annotations

import json
import re
from typing import Any


def as_text(given: Any) -> str:
    """JSON for people and programs, which is YAML too."""
    return json.dumps(given, indent=1, ensure_ascii=False) + "\n"


def plain(text: str) -> str:
    """Letters, digits and dashes, for addresses and files."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
