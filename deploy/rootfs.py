"""Make the file system of the image: etld's environment, the Debian packages that Python needs, a shell. Nothing else.

python3 deploy/rootfs.py ROOT SBOM: copies what is installed here, without what is for builders and readers. SBOM is a
list in CycloneDX's JSON of the Python packages; the Debian packages are added to it, and it comes into the image. What
scanners look for is in /var/lib/dpkg/status.d, as in other images without a package manager.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import environment

_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
#: With the libraries that they depend on: what is no library (debconf, say) is for their installation.
_PACKAGES = (f"{_VERSION}-minimal", f"lib{_VERSION}-stdlib", "libstdc++6", "busybox", "base-files", "netbase", "tzdata")
#: Of busybox: what the chart and docker-compose.yml call, and what one looks about with.
_TOOLS = (
    "sh",
    "cat",
    "cp",
    "df",
    "env",
    "grep",
    "head",
    "id",
    "kill",
    "ls",
    "mkdir",
    "ps",
    "sleep",
    "sort",
    "tail",
    "wc",
)
_LEFT_OUT = re.compile(
    r"/usr/share/(man|lintian|locale|bug|info|doc/(?!.*/copyright$))|/usr/lib/[^/]+/gconv|/usr/share/zoneinfo/(right|posix)/"
    rf"|/usr/lib/{_VERSION}/(test|idlelib|ensurepip|turtledemo|tkinter|lib2to3|pydoc_data|config-[^/]+)/|/etc/(issue|motd)"
)
_USER = "etld:x:10001:10001:etld:/var/lib/etld:/bin/sh"
_STATUS = Path("/var/lib/dpkg/status")


def make(root: Path, sbom: Path) -> None:
    """Make it. Raises CalledProcessError or OSError."""
    root.mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    packages = _with_libraries(_PACKAGES)
    for stanza in packages:
        _copy_package(root, stanza)
    for name in _TOOLS:
        (root / "usr/bin" / name).symlink_to("busybox")
    (root / "usr/bin/python3").symlink_to(_VERSION)
    _add_system(root)
    _copy(root, Path("/etc/ssl/certs/ca-certificates.crt"))
    _copy_compiled(root)
    shutil.copytree("/opt/etld", root / "opt/etld", symlinks=True, dirs_exist_ok=True)
    (root / "usr/bin/etld").symlink_to("/opt/etld/bin/etld")
    listed = json.loads(sbom.read_text())
    listed["components"] += [_component(stanza) for stanza in packages]
    made = root / "usr/share/doc/etld/sbom.cdx.json"
    made.parent.mkdir(parents=True)
    made.write_text(json.dumps(listed, indent=1))


def _with_libraries(names: tuple[str, ...]) -> list[dict[str, str]]:
    """What dpkg knows of these packages, and of the libraries that they depend on."""
    known = {}
    for text in _STATUS.read_text().split("\n\n"):
        stanza = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", text, re.MULTILINE))
        if stanza.get("Status", "").endswith(" installed"):
            known[stanza["Package"]] = stanza
    found: dict[str, dict[str, str]] = {}
    wanted = [*names]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = known[name]
        depends = ",".join((known[name].get("Depends", ""), known[name].get("Pre-Depends", "")))
        alternatives = re.findall(r"[a-z0-9][a-z0-9+.-]+(?=[ :,|]|$)", re.sub(r"\(.*?\)", "", depends))
        wanted += [one for one in alternatives if one in known and (one.startswith("lib") or one == "zlib1g")]
    return [found[name] for name in sorted(found)]


def _copy_package(root: Path, stanza: dict[str, str]) -> None:
    name = stanza["Package"]
    listed = subprocess.run(["dpkg-query", "--listfiles", name], check=True, capture_output=True, text=True)  # noqa: S607
    for line in listed.stdout.splitlines():
        path = Path(line)
        if line.startswith("/") and (path.is_symlink() or path.is_file()):
            _copy(root, path)
    status = root / "var/lib/dpkg/status.d" / name
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_text(
        "".join(f"{key}: {value}\n" for key, value in stanza.items() if key not in ("Conffiles", "Status"))
    )


def _copy(root: Path, path: Path) -> None:
    """A file to where it really is: /lib is a link to /usr/lib."""
    real = path.parent.resolve() / path.name
    if _LEFT_OUT.match(str(real)) or not (real.is_symlink() or real.is_file()):
        return
    to = root / real.relative_to("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    if not (to.exists() or to.is_symlink()):
        shutil.copy2(real, to, follow_symlinks=False)


def _copy_compiled(root: Path) -> None:
    """Of Python's own modules what etld loads is compiled, as it is here."""
    command = ["/opt/etld/bin/python", "-P", "-B", "-c", f"{environment.LOAD}\nprint(*loaded, sep='\\n')"]
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        source = Path(line)
        if (root / source.relative_to("/")).exists():
            _copy(root, Path(cache_from_source(source)))


def _add_system(root: Path) -> None:
    etc = root / "etc"
    (etc / "passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\n{_USER}\n")
    (etc / "group").write_text("root:x:0:\netld:x:10001:\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    for name, mode in (("tmp", 0o1777), ("run", 0o755), ("var/lib/etld", 0o700), ("etc/etld", 0o755)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    os.chown(root / "var/lib/etld", 10001, 10001)
    for name in ("dev", "proc", "root", "sys"):  # where a runtime mounts its own
        (root / name).mkdir(exist_ok=True)
    if not (root / "var/run").is_symlink():
        (root / "var/run").symlink_to("/run")
    # Where Debian's OpenSSL looks, which Python has.
    ssl = root / "usr/lib/ssl"
    ssl.mkdir(parents=True, exist_ok=True)
    (ssl / "cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


def _component(stanza: dict[str, str]) -> dict[str, str]:
    system = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    name, version, architecture = (stanza[key] for key in ("Package", "Version", "Architecture"))
    distro = f"{system['ID']}-{system.get('VERSION_ID', '')}"
    purl = f"pkg:deb/{system['ID']}/{name}@{version}?arch={architecture}&distro={distro}".replace("+", "%2B")
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
