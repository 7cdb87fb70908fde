"""The wheel: all that etld is, the same bytes each time, and it works where there is nothing else of the project."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from etld import __version__

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]


def _run(command: list[str | Path], where: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ETLD_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=where, env=kept | environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the sdist."""
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the project is known to git, which is not here")
    directory = tmp_path_factory.mktemp("dist")
    _run([sys.executable, ROOT / "deploy/dist.py", directory], directory, SOURCE_DATE_EPOCH="1767225600")
    return directory


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    return made / f"etld-{__version__}-py3-none-any.whl"


def test_the_wheel_has_every_file_of_the_program(wheel: Path) -> None:
    """And nothing besides."""
    tracked = subprocess.run(
        ["git", "ls-files", "etld"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if name.startswith(f"etld-{__version__}.dist-info/")}
    assert sorted(set(tracked) - names) == []
    assert sorted(names - about - set(tracked)) == []
    assert f"etld-{__version__}.dist-info/licenses/LICENSE" in about


def test_the_same_source_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    _run([sys.executable, ROOT / "deploy/dist.py", tmp_path], tmp_path, SOURCE_DATE_EPOCH="1767225600", TZ="Asia/Tokyo")
    assert {path.name: path.read_bytes() == (made / path.name).read_bytes() for path in tmp_path.iterdir()} == {
        f"etld-{__version__}-py3-none-any.whl": True,
        f"etld-{__version__}.tar.gz": True,
    }


def test_it_works_in_an_empty_directory(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own; the libraries are lent from that of these tests, etld is not."""
    _run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], tmp_path)
    python = tmp_path / "env/bin/python"
    site = Path(_run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path).strip())
    zipfile.ZipFile(wheel).extractall(site)
    empty = tmp_path / "empty"
    empty.mkdir()

    def etld(*arguments: str) -> str:
        # A path of this kind has no part in what .pth files add: the etld under test is that of the wheel.
        return _run([python, "-m", "etld", *arguments], empty, PYTHONPATH=sysconfig.get_path("purelib"))

    assert etld("--version") == f"etld, version {__version__}\n"
    assert "wrote config/etld.toml" in etld("config", "init")
    assert etld("config", "check") == f"{empty}/config/etld.toml: good\n"
    where = _run([python, "-c", "import etld; print(etld.__file__)"], empty, PYTHONPATH=sysconfig.get_path("purelib"))
    assert where.strip() == str(site / "etld/__init__.py")
    assert "etld = etld.cli:main" in (site / f"etld-{__version__}.dist-info/entry_points.txt").read_text()
