"""A process notices itself that it takes too much memory."""

from __future__ import annotations

import subprocess
import sys


def test_what_is_beyond_raises() -> None:
    """What is within does not."""
    code = (
        "from etld.util.memory_limit import limit_growth\n"
        "limit_growth(64 << 20)\n"
        "some = bytearray(32 << 20)\n"
        "try:\n    more = bytearray(48 << 20)\nexcept MemoryError:\n    print('enough')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"enough\n"
