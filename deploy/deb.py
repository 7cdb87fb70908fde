"""Make the Debian package, for the release of Debian or Ubuntu that this runs on.

PYTHON deploy/deb.py WHEEL DIRECTORY: etld_VERSION_ARCHITECTURE.deb comes into DIRECTORY. PYTHON is the system's own:
the package depends on exactly that version. It brings etld and its libraries in /opt/etld, with the embedded servers;
the unit, a configuration that runs as it is, the manual page and the completion of shells. Its scripts are in
deploy/debian.
"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import environment

ROOT = Path(__file__).resolve().parents[1]
_SCRIPTS = ROOT / "deploy" / "debian"
_PREFIX = "opt/etld"
_MAINTAINER = "The etld maintainers <maintainers@etld.invalid>"
# It runs where it is put: data where the unit has them, and secrets that are not there yet are empty.
_PLACES = {
    'state_dir = "./var"': 'state_dir = "/var/lib/etld"',
    '"./event_summary_charts"': '"/var/lib/etld/event_summary_charts"',
}
_DYNAMIC = "DynamicUser=yes\n"
_CONTROL = """\
Package: etld
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Section: database
Priority: optional
Installed-Size: {size}
Depends: adduser, ca-certificates, init-system-helpers, libc6 (>= 2.28), libgcc-s1, libstdc++6,
 python3 (>= {python}), python3 (<< {next}), tzdata, zlib1g
Suggests: default-jre-headless, maven, postgresql-client
Description: events over HTTP, through Kafka, into PostgreSQL, exactly once
 One daemon turns the events that applications send over HTTP into rows,
 summaries and charts, and loses none of them. Dead letters are kept and
 repaired; a console shows what flows.
 .
 It works with Kafka and PostgreSQL of your own, and brings small ones along.
 With Java 17 and Maven the broker that it brings is Apache Kafka.
"""


def make(wheel: Path, directory: Path) -> Path:
    """Make the package. Raises CalledProcessError when a tool fails."""
    with zipfile.ZipFile(wheel) as archive:
        when = datetime(*archive.infolist()[0].date_time, tzinfo=UTC)
    os.environ["SOURCE_DATE_EPOCH"] = str(int(when.timestamp()))
    os.umask(0o022)
    version = _version(wheel.name.split("-")[1])
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work, "tree")
        environment.make(tree / _PREFIX, ROOT / "deploy" / "embedded.txt", wheel, Path("/", _PREFIX))
        _add_etc(tree)
        _add_unit(tree)
        _add_texts(tree, version, when)
        _link(tree / "usr/bin/etld", f"/{_PREFIX}/bin/etld")
        _add_control(tree, version)
        made = directory.absolute() / f"etld_{version}_{_architecture()}.deb"
        made.parent.mkdir(parents=True, exist_ok=True)
        pack = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", str(tree), str(made)]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
    return made


def _version(of: str) -> str:
    """What comes before a release sorts before it, and a newer release of the system after an older one."""
    system = platform.freedesktop_os_release()
    name = {"debian": "deb"}.get(system["ID"], system["ID"]) + system.get("VERSION_ID", "")
    return re.sub(r"\.?(a|b|rc|dev)(\d+)", r"~\1\2", of) + f"+{name}"


def _add_etc(tree: Path) -> None:
    etc = tree / "etc/etld"
    config = (ROOT / "config/etld.toml").read_text()
    for ours, theirs in _PLACES.items():
        assert ours in config, ours
        config = config.replace(ours, theirs)
    _write(etc / "etld.toml", config)
    _link(etc / "etld.schema.json", "/usr/share/etld/etld.schema.json")
    _copy(ROOT / "config/etld.schema.json", tree / "usr/share/etld")
    for schema in (ROOT / "schemas").glob("*.avsc"):
        _copy(schema, etc / "schemas")
    (etc / "credentials").mkdir(mode=0o700)


def _add_unit(tree: Path) -> None:
    unit = (ROOT / "systemd/etld.service").read_text()
    assert _DYNAMIC in unit
    unit = unit[unit.index("[Unit]") :].replace(_DYNAMIC, "User=etld\nGroup=etld\n")
    _write(tree / "usr/lib/systemd/system/etld.service", f"# To change it: systemctl edit etld\n{unit}")


def _add_texts(tree: Path, version: str, when: datetime) -> None:
    program = [str(tree / _PREFIX / "bin/python"), "-P", "-B", "-m", "etld"]

    def said(*arguments: str) -> str:
        return subprocess.run([*program, *arguments], check=True, capture_output=True, text=True).stdout

    share = tree / "usr/share"
    _write(share / "bash-completion/completions/etld", said("completion", "bash"))
    _write(share / "zsh/vendor-completions/_etld", said("completion", "zsh"))
    _write(share / "fish/vendor_completions.d/etld.fish", said("completion", "fish"))
    _write_packed(share / "man/man1/etld.1.gz", said("man"))
    doc = share / "doc/etld"
    for text in (ROOT / "README.md", _SCRIPTS / "copyright", *(ROOT / "docs").iterdir()):
        _copy(text, doc)
    _copy(ROOT / "config/etld.production.toml", doc / "examples")
    _write_packed(doc / "changelog.gz", (ROOT / "CHANGELOG.md").read_text())
    entry = f"etld ({version}) stable; urgency=medium\n\n  * See changelog.gz.\n\n -- {_MAINTAINER}"
    _write_packed(doc / "changelog.Debian.gz", f"{entry}  {email.utils.format_datetime(when)}\n")


def _add_control(tree: Path, version: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    major, minor = sys.version_info[:2]
    filled = _CONTROL.format(
        version=version,
        architecture=_architecture(),
        maintainer=_MAINTAINER,
        size=sum(path.stat().st_size for path in files) // 1024,
        python=f"{major}.{minor}",
        next=f"{major}.{minor + 1}~",
    )
    control = tree / "DEBIAN"
    _write(control / "control", filled)
    _write(
        control / "conffiles", "".join(f"/{path.relative_to(tree)}\n" for path in files if tree / "etc" in path.parents)
    )
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]  # noqa: S324
    _write(control / "md5sums", "".join(sums))
    for script in ("postinst", "prerm", "postrm"):
        _copy(_SCRIPTS / script, control)


def _architecture() -> str:
    done = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _copy(path: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    made = Path(shutil.copyfile(path, directory / path.name))
    made.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


if __name__ == "__main__":
    if sys.base_prefix != "/usr":
        sys.exit(f"{sys.executable} is not the Python of this system, which the package is for")
    package = make(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stderr.write(f"{package} ({package.stat().st_size >> 20} MiB)\n")
