"""Chart files: whole or not there, the newest kept."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

from etld.util.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds after which the process that draws is killed.
TIMEOUT: Final = 120.0


def make(directory: Path, mode: int | None = None) -> None:
    """Make a directory and those above it that are missing, with these permissions if given; raises OSError."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for one in missing or [directory]:
        if mode is not None and one.stat().st_mode & 0o777 != mode:
            one.chmod(mode)


def write(directory: Path, name: str, stamp: str, png: bytes, keep: int, mode: int | None = None) -> Path:
    """Write `<name>_<stamp>.png` and `<name>_latest.png`, and leave the `keep` newest; raises OSError.

    The directory must exist. Without a mode the umask says what a file's permissions are.
    """
    path = directory / f"{name}_{stamp}.png"
    for target in (path, directory / f"{name}_latest.png"):
        write_atomically(target, png, mode=_usual_mode() if mode is None else mode, durable=False)
    prune(directory, name, keep)
    return path


def prune(directory: Path, name: str, keep: int) -> None:
    """Remove all but the `keep` newest files of a chart, by the time in their names, and what a kill left half-done."""
    dated = re.compile(rf"{re.escape(name)}_\d{{8}}_\d{{6}}\.png")
    half_done = re.compile(rf"\.{re.escape(name)}_(\d{{8}}_\d{{6}}|latest)\.png\.\w+|\.{re.escape(name)}\.part")
    found = list(directory.iterdir())
    for old in sorted(entry for entry in found if dated.fullmatch(entry.name))[:-keep]:
        old.unlink(missing_ok=True)
    for left in found:
        if half_done.fullmatch(left.name) and _is_abandoned(left):
            left.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    """Is it older than any drawing that is still under way?"""
    try:
        return path.stat().st_mtime < time.time() - 2 * TIMEOUT
    except FileNotFoundError:
        return False


def _usual_mode() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask
