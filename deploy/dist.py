"""Make the wheel and the sdist: the same bytes from the same source, whoever makes them, and when.

python deploy/dist.py DIRECTORY. The wheel is made from the sdist, so that the one lacks nothing that the other needs.
Times are those of $SOURCE_DATE_EPOCH, else of the last commit.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from setuptools import build_meta

ROOT = Path(__file__).resolve().parents[1]


def main(target: Path) -> None:
    """Write both into a directory, and say what they are."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _last_commit())
    os.umask(0o022)
    target = target.absolute()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        source = _copy(Path(work, "source"))
        os.chdir(source)
        sdist = target / build_meta.build_sdist(str(target))
        _settle(sdist, int(os.environ["SOURCE_DATE_EPOCH"]))
        with tarfile.open(sdist) as archive:
            archive.extractall(work, filter="data")
        os.chdir(Path(work, sdist.name.removesuffix(".tar.gz")))
        wheel = target / build_meta.build_wheel(str(target))
        os.chdir(ROOT)
    for made in (sdist, wheel):
        sys.stderr.write(f"{made} ({made.stat().st_size // 1024} KiB)\n")


def _copy(to: Path) -> Path:
    """What git knows of: nothing that lies about gets in, and nothing of the build is left behind."""
    to.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    packed = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-"],  # noqa: S607
        cwd=ROOT,
        input=names,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(to, filter="data")
    return to


def _last_commit() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


def _settle(sdist: Path, when: int) -> None:
    """Sort the members of the archive, and take out of it who made it and when."""
    with tarfile.open(sdist) as archive:
        members = [(one, archive.extractfile(one)) for one in sorted(archive, key=lambda one: one.name)]
        files = [(one, file.read() if file else b"") for one, file in members]
    with sdist.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=when) as packed:  # noqa: SIM117
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for one, content in files:
                one.mtime, one.uid, one.gid, one.uname, one.gname, one.pax_headers = when, 0, 0, "", "", {}
                one.mode = 0o755 if one.isdir() or one.mode & 0o100 else 0o644
                archive.addfile(one, io.BytesIO(content))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
