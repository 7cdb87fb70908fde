"""Which Java there is: the broker needs 17 or newer."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST = 17


def find() -> str | None:
    """The java program to use: the one on PATH, else JAVA_HOME's, if it is new enough."""
    home = os.environ.get("JAVA_HOME", "")
    for program in (
        shutil.which("java"),
        shutil.which(f"{home}/bin/java") if home else None,
    ):
        if program is not None and _version(program) >= OLDEST:
            return program
    return None


@functools.cache
def _version(program: str) -> int:
    """Java's major version; 0 when it does not say. Its `release` file answers without starting it."""
    try:
        told = Path(program).resolve().parent.parent.joinpath("release").read_text(errors="replace")
    except OSError:
        told = ""
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', told, re.MULTILINE) or re.search(
        r'version "(?:1\.)?(\d+)', _ask(program)
    )
    return int(found.group(1)) if found else 0


def _ask(program: str) -> str:
    try:
        done = subprocess.run(
            [program, "-version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr + done.stdout
