"""The Debian package in a system of its own: installed, started, removed, installed again, purged (`make test-deb`)."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld import __version__
from etld.util.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("ETLD_TEST_DEB"), reason="makes a system of its own: make test-deb"),
]


class System:
    """A small Debian below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in it, with a /proc and process numbers of its own: whatever it leaves running ends with it."""
        inside = f'mount -t tmpfs shm {self.root}/dev/shm && exec chroot {self.root} "$@"'
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc")
        done = subprocess.run(
            [*apart, "sh", "-c", inside, "sh", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout
        return done

    def path(self, name: str) -> Path:
        return self.root / name.removeprefix("/")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, made for this machine's system."""
    lacks = [name for name in ("dpkg-deb", "mmdebstrap", "unshare") if shutil.which(name) is None]
    if lacks or os.geteuid() != 0 or not SYSTEM_PYTHON.exists():
        pytest.skip(f"a Debian with root is needed, with {', '.join(lacks) or 'python3'}")
    directory = tmp_path_factory.mktemp("deb")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([sys.executable, ROOT / "deploy/dist.py", directory], check=True)
    (wheel,) = directory.glob("*.whl")
    subprocess.run(
        [SYSTEM_PYTHON, ROOT / "deploy/deb.py", wheel, directory], check=True, env={**os.environ, "PATH": path}
    )
    (made,) = directory.glob("*.deb")
    return made


@pytest.fixture(scope="module")
def system(package: Path) -> Iterator[System]:
    """A system with what the package says it depends on, systemd's tools, and nothing else."""
    depends = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True)
    include = [re.split("[ (|]", one.strip())[0] for one in depends.stdout.replace("\n", "").split(",")]
    root = Path(tempfile.mkdtemp(prefix="etld-deb-"))
    try:
        codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
        chosen = f"--include={','.join({*include, 'systemd'})}"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", chosen, codename, root / "system"], check=True)
        made = System(root / "system")
        made.path("dev/shm").mkdir(exist_ok=True)
        shutil.copy(package, made.path("etld.deb"))
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def installed(system: System) -> Iterator[System]:
    """The system with the package, and without it afterwards."""
    system.run("dpkg", "--install", "/etld.deb")
    yield system
    system.run("dpkg", "--purge", "etld", check=False)


def test_what_is_in_it(package: Path) -> None:
    """Everything belongs to root, nobody else may write, and what root may edit is known as that."""
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root", line
        assert mode[0] == "l" or (mode[5], mode[8]) == ("-", "-"), line
    names = set(re.findall(r" \./(\S*[^/])(?: -> .*)?$", listed, re.MULTILINE))
    assert {
        "usr/bin/etld",
        "usr/lib/systemd/system/etld.service",
        "usr/share/man/man1/etld.1.gz",
        "usr/share/bash-completion/completions/etld",
        "usr/share/doc/etld/README.md",
        "usr/share/doc/etld/copyright",
    } <= names
    assert [name for name in names if re.search(r"/tests/|\.(c|h|a|pyi)$", name)] == []
    about = subprocess.run(["dpkg-deb", "--info", package, "conffiles"], capture_output=True, text=True, check=True)
    etc = {f"/{path}" for path in names if path.startswith("etc/")} - {"/etc/etld/etld.schema.json"}
    assert set(about.stdout.split()) == etc
    assert "/etc/etld/etld.toml" in etc


def test_it_is_installed(installed: System) -> None:
    """The program, its user, its data's directory; the unit is one that systemd takes, and dpkg finds all as it was."""
    assert installed.run("etld", "--version").stdout == f"etld, version {__version__}\n"
    assert installed.run("etld", "config", "check").stdout == "/etc/etld/etld.toml: good\n"
    user = installed.run("getent", "passwd", "etld").stdout.split(":")
    assert (user[5], user[6].strip()) == ("/var/lib/etld", "/usr/sbin/nologin")
    assert installed.run("stat", "-c", "%U:%G %a", "/var/lib/etld").stdout == "etld:etld 700\n"
    assert installed.run("stat", "-c", "%U:%G %a", "/etc/etld/credentials").stdout == "root:root 700\n"
    assert installed.run("dpkg", "--verify", "etld").stdout == ""
    verified = installed.run("systemd-analyze", "verify", "/usr/lib/systemd/system/etld.service")
    assert verified.stdout == ""


def test_the_demo_runs_as_its_user(installed: System) -> None:
    """Events come in and become rows and charts, with the servers that the package brings."""
    ports = {
        f"ETLD_{name}_PORT": str(free_port())
        for name in ("INGEST_", "CONSOLE_", "KAFKA__EMBEDDED", "POSTGRES__EMBEDDED")
    }
    as_user = ("setpriv", "--reuid=etld", "--regid=etld", "--clear-groups", "sh", "-c")
    told = installed.run(
        *as_user, "cd; etld demo --count 60 && etld reconcile && etld stop", HOME="/var/lib/etld", **ports
    )
    assert re.search(r"^  total +60$", told.stdout, re.MULTILINE), told.stdout
    charts = installed.path("/var/lib/etld/event_summary_charts").glob("*.png")
    assert len({path.name.partition("_summary_")[0] for path in charts}) == 3


def test_what_is_removed_can_come_back(installed: System) -> None:
    """Data and an edited configuration stay when it is removed, count when it is back, and go when it is purged."""
    config, data = installed.path("/etc/etld/etld.toml"), installed.path("/var/lib/etld/data")
    config.write_text(config.read_text().replace("workers = 1", "workers = 2", 1))
    edited = config.read_text()
    data.write_text("kept")
    installed.run("dpkg", "--remove", "etld")
    assert not installed.path("/opt/etld").exists()
    assert not installed.path("/usr/bin/etld").is_symlink()
    assert (config.read_text(), data.read_text()) == (edited, "kept")
    installed.run("dpkg", "--install", "/etld.deb")
    installed.run("dpkg", "--install", "/etld.deb")  # an upgrade to the same
    assert (config.read_text(), data.read_text()) == (edited, "kept")
    assert installed.run("etld", "config", "check").returncode == 0
    installed.run("dpkg", "--purge", "etld")
    assert [name for name in ("/etc/etld", "/var/lib/etld", "/opt/etld") if installed.path(name).exists()] == []
