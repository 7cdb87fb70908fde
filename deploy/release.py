"""Make a release of what CHANGELOG.md tells under Unreleased: PYTHON deploy/release.py VERSION, in a clean clone.

Unreleased becomes the version with the day; the version is put into etld/__init__.py, from where all else has it, and
into the chart for Kubernetes; wheel, sdist and the list of their parts come into dist/; the commit and the tag vVERSION
say what changed. Nothing leaves this machine. What does not come to its end leaves the clone as it was.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG, VERSION_FILE = Path("CHANGELOG.md"), Path("etld/__init__.py")
CHART = Path("deploy/helm/etld/Chart.yaml")
_UNRELEASED = "## [Unreleased]\n"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class CannotRelease(Exception):
    """Why there can be no release now."""


def release(root: Path, version: str, day: str, make_dist: list[str]) -> str:
    """Make the release, and return its tag. Raises CannotRelease, or CalledProcessError when a tool fails."""
    changed = _changes(root, version)
    before = _git(root, "rev-parse", "HEAD")
    tag = f"v{version}"
    try:
        _replace(root / CHANGELOG, re.escape(_UNRELEASED), f"{_UNRELEASED}\n## [{version}] - {day}\n")
        _replace(root / VERSION_FILE, r'__version__ = ".*"', f'__version__ = "{version}"')
        _replace(root / CHART, r"(?m)^version: .*", f"version: {version}")
        _replace(root / CHART, r"(?m)^appVersion: .*", f'appVersion: "{version}"')
        _git(root, "commit", "--quiet", "-m", f"Release {version}", *map(str, (CHANGELOG, VERSION_FILE, CHART)))
        subprocess.run(make_dist, cwd=root, check=True)
        # Headings of the changelog begin like comments of git.
        _git(root, "tag", "--annotate", "--cleanup=verbatim", "-m", f"etld {version}\n\n{changed}\n", tag)
    except BaseException:
        _git(root, "reset", "--quiet", "--hard", before)
        raise
    return tag


def _changes(root: Path, version: str) -> str:
    """The text of the release. Raises CannotRelease."""
    if not _VERSION.fullmatch(version):
        raise CannotRelease(f"{version!r} is no version like 1.2.3: make release VERSION=1.2.3")
    if _git(root, "status", "--porcelain"):
        raise CannotRelease("there are changes that are not committed: git status")
    if _git(root, "tag", "--list", f"v{version}"):
        raise CannotRelease(f"there is a tag v{version} already: take another version")
    tags = _git(root, "tag", "--list", "v*").split()
    newest = max((_numbers(tag[1:]) for tag in tags if _VERSION.fullmatch(tag[1:])), default=(0, 0, 0))
    if _numbers(version) < newest:
        raise CannotRelease(f"{version} is older than the last release, {'.'.join(map(str, newest))}")
    text = (root / CHANGELOG).read_text()
    found = re.search(rf"{re.escape(_UNRELEASED)}(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None or not re.search(r"^- ", found[1], re.MULTILINE):
        raise CannotRelease(f"{CHANGELOG} tells of no change under Unreleased")
    return found[1].strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _replace(path: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, lambda _: by, path.read_text())
    if count != 1:
        raise CannotRelease(f"{path} has {count} places where the version belongs, and should have one")
    path.write_text(text)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        made = release(
            ROOT, sys.argv[1] if len(sys.argv) > 1 else "", f"{datetime.now(UTC):%Y-%m-%d}", ["make", "dist"]
        )
    except CannotRelease as failure:
        sys.exit(f"no release: {failure}")
    sys.stderr.write(f"{made}: look at it, then git push origin HEAD {made}\n")
