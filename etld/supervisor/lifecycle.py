"""Where the daemon is in its life."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lifecycle:
    """The loop changes it, everything else reads it. `began` is monotonic seconds."""

    began: float = field(default_factory=time.monotonic)
    pid: int = field(default_factory=os.getpid)
    #: Every worker has been up, or given up, once.
    was_started: bool = False
    stopping: bool = False
    #: The program that is installed now is to take this one's place.
    upgrading: bool = False
    exit_code: int = 0
