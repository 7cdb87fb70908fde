"""An end to how much memory a process takes, which it notices itself."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def limit_growth(more: int) -> None:
    """Let what this process may write to grow by `more` bytes from now on: beyond, Python raises MemoryError.

    Memory that is only set aside does not count; see RLIMIT_DATA in getrlimit(2).
    """
    data = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    limit = (int(data[1]) << 10 if data else 0) + more
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
