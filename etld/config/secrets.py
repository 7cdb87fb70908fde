"""Passwords inside addresses: found, and hidden."""

from __future__ import annotations

import re
from urllib.parse import unquote

# As far as the last @, because a password may hold one that should have been written %40.
_IN_URL = re.compile(r"(://[^/:@\s]*):(\S+)@")
_IN_WORDS = re.compile(r"(\b(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]+)", re.IGNORECASE)


def hidden(address: str) -> str:
    """A DSN or URL with *** for each password."""
    return _IN_WORDS.sub(r"\1***", _IN_URL.sub(r"\1:***@", address))


def inside(address: str) -> list[str]:
    """The passwords of a DSN or URL, as they are written and as they are meant."""
    found = [match[2] for match in _IN_URL.finditer(address)]
    for match in _IN_WORDS.finditer(address):
        found.append(re.sub(r"\\(.)", r"\1", match[2][1:-1]) if match[2].startswith("'") else match[2])
    return [*found, *(unquote(secret) for secret in found)]
