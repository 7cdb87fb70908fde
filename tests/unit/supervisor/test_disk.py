"""What the file system says of itself, on file systems of the test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.supervisor.observe.disk import Disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB and 64 inodes."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=64", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def wrong(*paths: Path) -> str | None:
    disk = Disk()
    disk.look(paths)
    return disk.wrong


def test_room_enough(tmp_path: Path) -> None:
    """Also where the directory is yet to be made; each path is measured once."""
    disk = Disk()
    disk.look((tmp_path, tmp_path, tmp_path / "not" / "yet"))
    assert disk.wrong is None
    assert list(disk.free) == [str(tmp_path), str(tmp_path / "not" / "yet")]
    assert min(disk.free.values()) > 0


def test_full(small: Path) -> None:
    """By bytes, and by inodes; well again as soon as there is room."""
    assert wrong(small) is None
    (small / "big").write_bytes(bytes(8 << 20))
    assert wrong(small) == f"{small} is full: 0 MiB are free"
    (small / "big").unlink()
    assert wrong(small) is None
    for number in range(63):
        (small / str(number)).touch()
    assert wrong(small) == f"{small} is full: no inode is free"


def test_read_only(small: Path) -> None:
    """As a kernel makes it when the disk fails."""
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert wrong(small / "charts") == f"{small / 'charts'} is read-only"
