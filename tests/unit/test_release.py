"""`make release`: what the changelog tells becomes a version, in one commit and one tag, or nothing at all."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from etld import __version__

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-02

- The beginning.
"""
DAY = "2026-03-04"
DIST, BROKEN = ["sh", "-c", "grep -h version etld/__init__.py > made"], ["sh", "-c", "echo x > README; exit 3"]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "deploy/release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _load()


def git(clone: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a changelog, and a user of git."""
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "t")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "t@example.invalid")
    for name in (tool.VERSION_FILE, tool.CHART):
        tmp_path.joinpath(name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    tmp_path.joinpath("README").touch()
    tmp_path.joinpath(".gitignore").write_text("made\n")
    tmp_path.joinpath(tool.CHANGELOG).write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    return tmp_path


def test_unreleased_becomes_a_version(clone: Path) -> None:
    """In changelog, code and chart; the distribution is made of that, and the tag tells what changed."""
    assert tool.release(clone, "0.2.0", DAY, DIST) == "v0.2.0"
    text = clone.joinpath(tool.CHANGELOG).read_text()
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-03-04\n\n### Added\n\n- A thing.\n\n## [0.1.0]" in text
    assert clone.joinpath("made").read_text() == '__version__ = "0.2.0"\n'
    assert set(re.findall(r"(?m)^(?:v|appV)ersion: (.*)$", clone.joinpath(tool.CHART).read_text())) == {
        "0.2.0",
        '"0.2.0"',
    }
    assert git(clone, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag", "-l", "--format=%(contents)", "v0.2.0") == "etld 0.2.0\n\n### Added\n\n- A thing."
    assert git(clone, "rev-parse", "v0.2.0^{commit}") == git(clone, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("version", "state", "told"),
    [
        ("next", "", "'next' is no version like 1.2.3"),
        ("", "", "make release VERSION=1.2.3"),
        ("0.2.0", "changed", "not committed"),
        ("0.2.0", "tagged", "there is a tag v0.2.0 already"),
        ("0.1.9", "tagged", "0.1.9 is older than the last release, 0.2.0"),
        ("0.2.0", "empty", "tells of no change under Unreleased"),
    ],
)
def test_what_is_refused(clone: Path, version: str, state: str, told: str) -> None:
    """With the reason, and nothing is touched."""
    if state == "changed":
        clone.joinpath("README").write_text("x")
    if state == "tagged":
        git(clone, "tag", "v0.2.0")
    if state == "empty":
        clone.joinpath(tool.CHANGELOG).write_text(CHANGELOG.replace("### Added\n\n- A thing.\n", ""))
        git(clone, "commit", "--quiet", "-am", "Tell nothing")
    before = git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), git(clone, "tag")
    with pytest.raises(tool.CannotRelease, match=re.escape(told)):
        tool.release(clone, version, DAY, DIST)
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), git(clone, "tag")) == before
    assert not clone.joinpath("made").exists()


def test_a_release_that_fails_leaves_the_clone_as_it_was(clone: Path) -> None:
    """And can be tried again."""
    before = git(clone, "rev-parse", "HEAD")
    with pytest.raises(subprocess.CalledProcessError):
        tool.release(clone, "0.2.0", DAY, BROKEN)
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain"), git(clone, "tag")) == (before, "", "")
    assert clone.joinpath(tool.CHANGELOG).read_text() == CHANGELOG
    assert tool.release(clone, "0.2.0", DAY, DIST) == "v0.2.0"


def test_the_version_is_one() -> None:
    """The chart's and the code's."""
    assert set(re.findall(r'ersion: "?([\d.]+)"?$', (ROOT / tool.CHART).read_text(), re.MULTILINE)) == {__version__}
    assert "## [Unreleased]\n" in (ROOT / tool.CHANGELOG).read_text()
