"""A wall clock that a test may shift: for the processes of one system, by a preloaded library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock_shift.c")


def missing() -> str:
    """Why it cannot be had here; empty when it can."""
    return "" if shutil.which("cc") else "there is no C compiler (cc) for the clock's library"


class Clock:
    """`env` is what a process needs to follow it. Raises CalledProcessError when it does not compile."""

    def __init__(self, directory: Path) -> None:
        library, self._shared = directory / "clock_shift.so", directory / "clock_shift"
        command = ["cc", "-O1", "-shared", "-fPIC", "-Wall", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True)
        self._shared.write_bytes(bytes(8))
        self._shared.chmod(0o644)
        self.env = {"LD_PRELOAD": str(library), "ETLD_TEST_CLOCK_SHIFT": str(self._shared)}

    def shift(self, seconds: int) -> None:
        """From now on the wall clock is so much ahead (behind, if negative) of the machine's."""
        with self._shared.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
