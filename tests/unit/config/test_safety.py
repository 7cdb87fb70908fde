"""Who else may write the configuration, the files that it names, and the user's modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from etld.config import parse, refuse_unsafe, user_code
from etld.config.safety import _private
from etld.errors import EtldError

#: A user and a group of nobody's.
STRANGER = 54321
DEFAULT = Path(__file__).parents[3] / "config" / "etld.toml"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which modules are found: one, a neighbour that it imports, and a namespace package."""
    place = tmp_path / "functions"
    (place / "spaces_of_test").mkdir(parents=True)
    place.joinpath("made_of_test.py").write_text("import near_of_test\nfrom spaces_of_test import inner\n")
    place.joinpath("near_of_test.py").write_text("import json\nimport polars\n")
    place.joinpath("spaces_of_test", "inner.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    return place


def refused(module: str = "made_of_test") -> str:
    """Why it is refused, "" when it is not."""
    try:
        user_code.refuse_unsafe_module(module)
    except EtldError as error:
        return str(error)
    return ""


def compiled(place: Path) -> Path:
    cached = Path(cache_from_source(str(place / "near_of_test.py")))
    cached.parent.mkdir()
    cached.write_bytes(b"")
    return cached


CASES: dict[str, tuple[Callable[[Path], Path], int]] = {
    "itself": (lambda place: place / "made_of_test.py", 0o666),
    "a module that it imports": (lambda place: place / "near_of_test.py", 0o646),
    "a part of a namespace package": (lambda place: place / "spaces_of_test" / "inner.py", 0o666),
    "the directory of a namespace package": (lambda place: place / "spaces_of_test", 0o777),
    "the directory": (lambda place: place, 0o757),
    "a directory that is shared": (lambda place: place, 0o1777),
    "a directory above": (lambda place: place.parent, 0o777),
    "what Python has compiled": (compiled, 0o666),
    "where that is kept": (lambda place: compiled(place).parent, 0o777),
    "where anybody may keep that": (lambda place: compiled(place).parent, 0o1777),
}


@pytest.mark.parametrize("case", CASES)
def test_a_module_that_everybody_may_write(place: Path, case: str) -> None:
    """Or replace: the command that is told mends it."""
    assert refused() == ""
    find, mode = CASES[case]
    path = find(place)
    path.chmod(mode)
    assert f"everybody: `chmod o-w {path}`" in refused()
    path.chmod(mode & ~0o022)
    assert refused() == ""


@as_root
@pytest.mark.parametrize("case", CASES)
def test_a_module_of_another_user_or_group(place: Path, case: str) -> None:
    """Of a group only where it may write; the root of a sticky directory keeps what lies in it."""
    path = CASES[case][0](place)
    os.chown(path, -1, STRANGER)
    assert refused() == ""
    path.chmod(path.stat().st_mode | 0o020)
    assert f"the group {STRANGER}: `chmod g-w {path}`" in refused()
    os.chown(path, STRANGER, -1)
    assert f"{STRANGER}, whose {path} is: `chown root {path}`" in refused()


def test_a_compiled_module_is_found_before_its_source(place: Path) -> None:
    (place / "made_of_test.abi3.so").write_bytes(b"\x7fELF")
    assert refused() == ""
    (place / "made_of_test.abi3.so").chmod(0o777)
    assert "made_of_test.abi3.so" in refused()


def test_what_is_installed_beside_etld_is_not_looked_at() -> None:
    assert (refused("polars"), refused("json"), refused("etld.errors"), refused("nowhere_of_test")) == ("",) * 4


@as_root
def test_in_a_sticky_directory_only_the_owner_replaces_a_file(tmp_path: Path) -> None:
    """As in /tmp: what is another's there is not safe, nor a link that another made."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    path = shared / "etld.toml"
    path.write_text("")
    refuse_unsafe(path)
    with pytest.raises(EtldError, match=f"written by everybody: `chmod o-w {shared}`"):
        refuse_unsafe(shared)
    link = shared / "link.toml"
    link.symlink_to(path)
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(EtldError, match=f"written by {STRANGER}, whose {link} is: `chown -h root {link}`"):
        refuse_unsafe(link)


def test_every_place_that_a_chain_of_links_goes_through_is_looked_at(tmp_path: Path) -> None:
    """Who may write in the middle may lead elsewhere."""
    for name in ("first", "middle", "last"):
        (tmp_path / name).mkdir()
    (tmp_path / "last" / "etld.toml").write_text("")
    (tmp_path / "middle" / "link").symlink_to("../last/etld.toml")
    (tmp_path / "first" / "etld.toml").symlink_to("../middle/link")
    refuse_unsafe(tmp_path / "first" / "etld.toml")
    (tmp_path / "middle").chmod(0o777)
    with pytest.raises(EtldError, match=r"replaced by everybody: `chmod o-w .*/middle`"):
        refuse_unsafe(tmp_path / "first" / "etld.toml")


def test_a_group_of_this_user_alone_is_nobody_else() -> None:
    """A umask of 002 goes with such groups."""
    assert not _private(STRANGER)
    assert _private(0) or os.geteuid() != 0


@pytest.mark.parametrize("known", [True, False])
def test_directories_of_modules_are_looked_at_whatever_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Those of [python] path and of PYTHONPATH; one that is not there yet by where it would be made."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    directory = shared / "functions"
    config = parse(DEFAULT.read_text(), DEFAULT, {})
    if known:
        directory.mkdir(mode=0o755)
        monkeypatch.setenv("PYTHONPATH", f"{directory}:")
        user_code.refuse_unsafe_code(config)
        directory.chmod(0o1777)
        culprit, expected = directory, "python.path: "
        config = config.model_copy(update={"python": config.python.model_copy(update={"path": (directory,)})})
    else:
        monkeypatch.setenv("PYTHONPATH", f"/:{directory}/deep")
        culprit, expected = shared, "PYTHONPATH: "
    with pytest.raises(EtldError, match=f"^{expected}.*: `chmod o-w {culprit}`"):
        user_code.refuse_unsafe_code(config)
