"""How many examples a test with made-up input tries: few in each run, ETLD_FUZZ of them in a long one."""

from __future__ import annotations

import os

_LONG = int(os.environ.get("ETLD_FUZZ", "0"))


def examples(few: int) -> int:
    """`few`, or as many as the environment asks for (ETLD_FUZZ=20000)."""
    return max(few, _LONG)
