"""The files that the image and the Debian package are made of: what can be told of them without building them."""

from __future__ import annotations

import importlib
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from click.testing import CliRunner

from etld.cli import cli

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT.joinpath("Dockerfile").read_text()
SCRIPTS = sorted(ROOT.glob("deploy/debian/p*")) + sorted(ROOT.glob("deploy/*.sh"))


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of the tools is where modules are looked for, as when one of them is called."""
    monkeypatch.syspath_prepend(ROOT / "deploy")


def _tool(name: str) -> ModuleType:
    return importlib.import_module(name)


def _values(key: str) -> str:
    (found,) = re.findall(rf"^{key} +(.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)
    return str(found)


def test_the_base_is_pinned_and_only_builds() -> None:
    """By its digest; what runs begins with nothing, and takes a tree of the other stage as a whole."""
    assert re.search(r"^ARG BASE=debian:\w+-\d{8}-slim@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE}", "scratch"]
    assert "COPY --from=build /rootfs /" in DOCKERFILE


@pytest.mark.usefixtures("deploy")
def test_it_is_nobody_special_everywhere() -> None:
    """One number in the image, in its table of users, and in the chart."""
    chart = yaml.safe_load(ROOT.joinpath("deploy/helm/etld/values.yaml").read_text())["podSecurityContext"]
    assert _values("USER") == f"{chart['runAsUser']}:{chart['runAsGroup']}" == "10001:10001"
    assert _tool("rootfs")._USER.startswith("etld:x:10001:10001:")


@pytest.mark.usefixtures("deploy")
def test_what_is_called_in_the_image_is_there() -> None:
    """By compose and by the chart: etld, and some tools of busybox."""
    tools = {*_tool("rootfs")._TOOLS, "etld"}
    services = yaml.safe_load(ROOT.joinpath("docker-compose.yml").read_text())["services"]
    called = {services[name]["command"][0] for name in ("etld", "dashboards")}
    templates = "".join(path.read_text() for path in ROOT.glob("deploy/helm/etld/templates/*"))
    called |= set(re.findall(r"command: \[(\w+)", templates))
    assert {"sh", "sleep"} <= called <= tools


def test_compose_lets_it_write_to_its_volume_alone() -> None:
    service = yaml.safe_load(ROOT.joinpath("docker-compose.yml").read_text())["services"]["etld"]
    assert service["cap_drop"] == ["ALL"]
    # Compose puts secrets of the environment into the container's own file system, and refuses one that is read only.
    assert "read_only" not in service
    # What is mounted from here belongs to whoever made the clone, whom etld does not trust.
    assert service["volumes"] == ["etld:/var/lib/etld"]
    for place in re.findall(r"=(/var/\S+)", _values("ENV")):
        assert place.startswith("/var/lib/etld"), place


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """Each file that the Dockerfile names is in the project, and no line of .dockerignore keeps it from the builder."""
    ignored = ROOT.joinpath(".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert ROOT.joinpath(name).exists(), name
            assert Path(name).parts[0] not in ignored, name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_read_by_a_plain_shell(script: Path) -> None:
    """And stop at the first error."""
    assert subprocess.run(["sh", "-n", script], check=False, capture_output=True).stderr == b""
    assert re.search(r"^set -eu?$", script.read_text(), re.MULTILINE)


@pytest.mark.usefixtures("deploy")
def test_the_packaged_configuration_is_good_and_the_unit_too(tmp_path: Path) -> None:
    """It runs as it is, with data where the unit has it, as a user that the package makes."""
    deb = _tool("deb")
    deb._add_etc(tmp_path)
    deb._add_unit(tmp_path)
    config = tmp_path / "etc/etld/etld.toml"
    done = CliRunner().invoke(cli, ["--config", str(config), "config", "check"])
    assert (done.exit_code, done.output) == (0, f"{config}: good\n")
    shown = CliRunner().invoke(cli, ["--config", str(config), "config", "show"]).output
    assert 'state_dir = "/var/lib/etld"' in shown
    assert str(tmp_path) not in "".join(line for line in shown.splitlines() if "schema" not in line)
    unit = tmp_path / "usr/lib/systemd/system/etld.service"
    assert "\nUser=etld\nGroup=etld\n" in unit.read_text()
    assert "DynamicUser" not in unit.read_text()
    if shutil.which("systemd-analyze"):
        # A user that is not on this machine is no mistake of the file.
        done_by = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert (done_by.returncode, done_by.stdout, done_by.stderr) == (0, "", "")


@pytest.mark.usefixtures("deploy")
def test_versions_of_packages_sort_as_releases_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate before its release, and both before the same of a newer system."""
    deb = _tool("deb")

    def of(system: str, number: str, version: str) -> str:
        found = {"ID": system, "VERSION_ID": number}
        monkeypatch.setattr("platform.freedesktop_os_release", lambda: found)
        return str(deb._version(version))

    assert of("debian", "12", "1.2.0") == "1.2.0+deb12"
    assert of("ubuntu", "24.04", "1.2.0") == "1.2.0+ubuntu24.04"
    assert of("debian", "13", "1.2.0rc1") == "1.2.0~rc1+deb13"
    if shutil.which("dpkg"):
        ordered = ["1.2.0~rc1+deb13", "1.2.0+deb12", "1.2.0+deb13", "1.10.0+deb12"]
        for older, newer in itertools.pairwise(ordered):
            assert subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=False).returncode == 0


@pytest.mark.usefixtures("deploy")
def test_of_packages_comes_what_runs_alone(tmp_path: Path) -> None:
    """Neither tests, nor sources in C, nor notes of where it was built."""
    kept = ["numpy/core.py", "numpy/data.txt", "numpy-2.dist-info/METADATA", "etld/x.sql"]
    dropped = [
        *("numpy/tests/test_x.py", "numpy/sub/tests/data.txt", "numpy/core.pyi", "numpy/core.c", "numpy/x.h"),
        *(
            "numpy-2.dist-info/RECORD",
            "numpy-2.dist-info/direct_url.json",
            "setuptools/x.py",
            "setuptools-80.dist-info/METADATA",
        ),
    ]
    for name in (*kept, *dropped):
        tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(name).touch()
    _tool("environment")._slim(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_python_of_another_place_makes_no_package() -> None:
    """It would depend on what the system has not."""
    if sys.base_prefix == "/usr":
        pytest.skip("these tests run with the system's own Python")
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/deb.py", "x", "y"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"{sys.executable} is not the Python of this system, which the package is for\n",
    )
