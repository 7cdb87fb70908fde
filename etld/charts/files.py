"""Chart files: whole or not there, the newest kept."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path


def write(directory: Path, name: str, stamp: str, png: bytes, keep: int) -> Path:
    """Write `<name>_<stamp>.png` and `<name>_latest.png`, and leave the `keep` newest; raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}_{stamp}.png"
    _replace(path, png)
    _replace(directory / f"{name}_latest.png", png)
    prune(directory, name, keep)
    return path


def prune(directory: Path, name: str, keep: int) -> None:
    """Remove all but the `keep` newest files of a chart, by the time in their names."""
    dated = re.compile(rf"{re.escape(name)}_\d{{8}}_\d{{6}}\.png")
    files = sorted(entry.name for entry in os.scandir(directory) if dated.fullmatch(entry.name))
    for old in files[:-keep]:
        with contextlib.suppress(FileNotFoundError):
            (directory / old).unlink()


def _replace(path: Path, data: bytes) -> None:
    # One name a target: what a killed drawing left is overwritten by the next.
    part = path.with_name(f".{path.name.rsplit('_', 2)[0]}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
