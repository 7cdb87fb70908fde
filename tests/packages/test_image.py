"""The image: how large it is, what it says of itself, and that it works where nothing but its state can be written.

`make test-image`. Docker or Podman build and run it where they work and have the base. Else buildah builds it without a
container runtime, on a base that mmdebstrap makes, and it is run by chroot.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from etld import __version__
from etld.util.ports import free_port
from support.clients import post
from support.events import event
from support.processes import children
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 350_000_000
(BASE,) = re.findall(r"^ARG BASE=(\S+)$", ROOT.joinpath("Dockerfile").read_text(), re.MULTILINE)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not os.environ.get("ETLD_TEST_IMAGE"), reason="builds an image: make test-image"),
]


@dataclass(frozen=True)
class Image:
    """What was built: its name, its builder, the builder's environment, and its root directory once unpacked."""

    name: str
    builder: str
    env: Mapping[str, str]
    root: Path

    def said(self, *arguments: str) -> str:
        return _said([self.builder, *arguments], self.env)

    def config(self) -> dict[str, Any]:
        """As Docker has it: User, Labels, Healthcheck and others."""
        found = json.loads(self.said("inspect", "--type", "image", self.name))
        return dict(found["Docker"]["config"] if self.builder == "buildah" else found[0]["Config"])


def _said(command: list[str], env: Mapping[str, str] = os.environ) -> str:
    done = subprocess.run(command, cwd=ROOT, env=dict(env), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def _works(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def _base(env: Mapping[str, str], directory: Path) -> list[str]:
    """What to tell buildah of the base: nothing where the one of the Dockerfile can be pulled, else one made here."""
    if (
        subprocess.run(["buildah", "pull", "--quiet", BASE], env=dict(env), capture_output=True, check=False).returncode
        == 0
    ):
        return []
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"{BASE} cannot be pulled here, and there is no mmdebstrap to make another")
    (codename,) = re.findall(r"debian:(\w+)-", BASE)
    tree = directory / "base.tar"
    _said(["mmdebstrap", "--quiet", "--variant=minbase", codename, str(tree)])
    container = _said(["buildah", "from", "scratch"], env).strip()
    _said(["buildah", "add", container, str(tree), "/"], env)
    # Whom this machine trusts besides, such as the authority of a proxy.
    own = Path("/usr/local/share/ca-certificates")
    if any(own.glob("*.crt")):
        _said(["buildah", "copy", container, str(own), str(own)], env)
    trusted = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    _said(["buildah", "config", "--env", trusted, container], env)
    _said(["buildah", "commit", "--rm", container, "localhost/base"], env)
    return ["--build-arg", "BASE=localhost/base"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, by whatever builds images here."""
    directory = tmp_path_factory.mktemp("image")
    name, options = f"localhost/etld-test:{__version__}", list[str]()
    builder = next((one for one in ("docker", "podman") if _works(one, "pull", "--quiet", BASE)), "buildah")
    env = dict(os.environ) | {"BUILDER": builder, "IMAGE": name}
    if builder == "buildah":
        if not _works("buildah", "--version") or os.geteuid() != 0:
            pytest.skip(f"neither docker nor podman can pull {BASE} here, and there is no buildah with root")
        storage = directory / "storage.conf"
        places = f'graphroot = "{directory}/graph"\nrunroot = "{directory}/run"\n'
        storage.write_text(f'[storage]\ndriver = "vfs"\n{places}')
        env |= {"BUILDAH_ISOLATION": "chroot", "CONTAINERS_STORAGE_CONF": str(storage)}
        options = _base(env, directory)
    _said(["sh", "deploy/image.sh", *options], env)
    root = directory / "root"
    root.mkdir()
    if builder == "buildah":
        container = _said(["buildah", "from", name], env).strip()
        root = Path(_said(["buildah", "mount", container], env).strip())
    else:
        container = _said([builder, "create", name]).strip()
        packed = subprocess.run([builder, "export", container], capture_output=True, check=True).stdout
        subprocess.run(["tar", "--extract", "--directory", root], input=packed, check=True)
        _said([builder, "rm", container])
    yield Image(name, builder, env, root)
    _said([builder, "rmi", "--force", name], env)


def test_it_is_small(image: Image) -> None:
    """All files together; the largest are named when they are too large."""
    sizes = {path: path.lstat().st_size for path in image.root.rglob("*") if not path.is_dir() or path.is_symlink()}
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:20]
    assert sum(sizes.values()) < LARGEST, [f"{size >> 20} MiB {path}" for path, size in largest]


def test_it_says_what_it_is(image: Image) -> None:
    """Who made it from what, who it runs as, how it is asked for its health, and each of its parts."""
    config = image.config()
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("etld", __version__, "Apache-2.0")
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert re.match(r"\d{4}-\d\d-\d\dT", labels["created"])
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "etld", "health"]
    parts = json.loads(ROOT.joinpath(f"dist/etld-{__version__}-image.cdx.json").read_text())
    names = {part["name"] for part in parts["components"]}
    assert {"etld", "polars", "confluent-kafka", "libc6"} <= names
    assert names & {"pip", "setuptools", "cyclonedx-bom", "binutils"} == set()


def test_the_parts_of_the_wheel_are_listed(tmp_path: Path) -> None:
    """With their versions and hashes, by `make dist`; the same bytes each time."""
    for directory in ("first", "second"):
        tmp_path.joinpath(directory).mkdir()
        _said([sys.executable, "deploy/sbom.py", "deploy/embedded.txt", str(tmp_path / directory)])
    made = tmp_path / f"first/etld-{__version__}.cdx.json"
    assert made.read_bytes() == tmp_path.joinpath("second", made.name).read_bytes()
    listed = json.loads(made.read_text())
    about = listed["metadata"]["component"]
    assert (about["name"], about["version"]) == ("etld", __version__)
    parts = {part["name"]: part for part in listed["components"]}
    pinned = re.findall(r"^(\S+)==", ROOT.joinpath("deploy/embedded.txt").read_text(), re.MULTILINE)
    assert set(pinned) == set(parts)
    assert parts["polars"]["purl"].startswith("pkg:pypi/polars@")
    assert "SHA-256" in json.dumps(parts["polars"])


def test_nobody_else_may_write_in_it(image: Image) -> None:
    """Only its state directory is its user's, and nothing runs with the rights of another."""
    found = []
    for path in image.root.rglob("*"):
        about = path.lstat()
        if not path.is_symlink() and (about.st_uid or about.st_mode & 0o6022):
            found.append(str(path.relative_to(image.root)))
    assert sorted(found) == ["tmp", "var/lib/etld"]


@contextmanager
def _running(image: Image, settings: Mapping[str, str], state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The image with a root directory that is read only; ends as by SIGTERM, and the process has its exit code then."""
    given = [f"{name}={value}" for name, value in settings.items()]
    log = state.parent / "log"
    if image.builder == "buildah":
        env = [one for one in image.config()["Env"] if not one.startswith("ETLD_CONFIG=")]
        root = image.root
        mounts = (
            f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount --bind {state} {root}/var/lib/etld"
        )
        mounts += (
            f" && mount -t proc proc {root}/proc && mount -t tmpfs tmp {root}/tmp && mount --rbind /dev {root}/dev"
        )
        inside = f'{mounts} && cd {root} && exec chroot --userspec=10001:10001 {root} "$@"'
        start = ["env", "-i", *env, "ETLD_CONFIG=/etc/etld/etld.toml", *given, "etld", "start", "--foreground"]
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside, "sh", *start]
    else:
        options = ["--rm", "--read-only", "--tmpfs", "/tmp", "--network", "host", "--volume", f"{state}:/var/lib/etld"]
        variables = [word for one in given for word in ("--env", one)]
        command = [image.builder, "run", *options, *variables, image.name]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=dict(image.env), stdout=file, stderr=file)
        try:
            yield process
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-6000:])
            raise
        finally:
            for one in children(process.pid) if image.builder == "buildah" else [process.pid]:
                os.kill(one, 15)
            process.wait(60)


def test_it_works_where_only_its_state_can_be_written(image: Image, kafka: str, database: str, tmp_path: Path) -> None:
    """An event comes in over HTTP and becomes a row; then it ends when it is told to."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 10001, 10001)
    port = free_port()
    address, _, passfile = database.partition("?passfile=")
    password = Path(passfile).read_text().strip().split(":", 4)[4]
    settings = {
        "ETLD_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "ETLD_KAFKA__PREFIX": f"image-{uuid4().hex[:8]}-",
        "ETLD_POSTGRES__DSN": address.replace("etld@", f"etld:{password}@"),
        "ETLD_INGEST__PORT": str(port),
        "ETLD_CONSOLE__ENABLED": "false",
        "ETLD_NODE_ID": f"image-{uuid4().hex[:8]}",
    }

    def rows() -> int:
        with psycopg.connect(database) as connection:
            return int(connection.execute("SELECT count(*) FROM processed_events").fetchall()[0][0])

    with _running(image, settings, state) as process:

        def accepted() -> bool:
            assert process.poll() is None, "it ended"
            try:
                return post(port, "/track", json.dumps(event()).encode())[0] == 200
            except OSError:
                return False

        wait_until(accepted, 120, "an event is accepted")
        wait_until(lambda: rows() == 1, 60, "it is a row")
    assert process.returncode == 0
    assert {path.lstat().st_uid for path in state.rglob("*")} == {10001}
