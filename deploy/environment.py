"""Make the environment of a package or an image: what etld needs to run, and nothing that only builders need.

PYTHON deploy/environment.py TARGET PINS ETLD [PREFIX]: an environment of PYTHON at TARGET that will live at PREFIX (at
TARGET, if it is not told), with the packages that the file PINS names, and etld from ETLD: a wheel, or a directory with
its source. Left out are the packages' tests, their sources in C and, where `strip` is there, the symbols of debuggers:
a third of all bytes. What the daemon loads is compiled. uv installs it; where there is none it is fetched for that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What builders need: headers, sources in C and Cython, static libraries, the types of extension modules.
_FOR_BUILDERS = frozenset({".a", ".c", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx"})
#: Notes of who installed what from where, which would be of the machine that built this.
_NOTES = ("direct_url.json", "uv_cache.json", "RECORD", "INSTALLER", "REQUESTED")
_EXTENSION = re.compile(r"\.(abi3|cpython-[\w-]+)\.so$")
_PROGRAM = """\
#!{python}
import sys

from etld.cli import main

sys.exit(main())
"""
#: What no part of etld loads, and takes megabytes: fonts for PDF files and their tools, samples, colours for source
#: code, AV1 pictures, a test module of numpy.
_UNUSED = (
    "matplotlib/mpl-data/sample_data",
    "matplotlib/mpl-data/fonts/afm",
    "matplotlib/mpl-data/fonts/pdfcorefonts",
    "fontTools/*Lib",
    "fontTools/cu2qu",
    "fontTools/pens",
    "fontTools/qu2cu",
    "fontTools/subset",
    "numpy/_core/_simd.*",
    "pygments/lexers",
    "PIL/_avif.*",
    "pillow.libs/libavif-*",
)
#: Loads each module of etld, but for extras that are not here, and with it what that loads: `loaded` are their files.
LOAD = """
import importlib, pathlib, pkgutil, sys
import etld
for found in pkgutil.walk_packages(etld.__path__, "etld."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ImportError:
            pass
import matplotlib.backends.backend_agg, rich.console, rich.progress, rich.table
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
loaded = sorted(pathlib.Path(one) for one in files if one.endswith(".py"))
"""
#: Compiles it by the hash of its source, so that no time of a file counts, and under the path where it will live.
_COMPILE = """
import py_compile
target, prefix = map(pathlib.Path, sys.argv[1:])
by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
for path in sorted({*loaded, *target.rglob("etld/**/*.py")}):
    if path.is_relative_to(target):
        lives = str(prefix / path.relative_to(target))
        py_compile.compile(str(path), dfile=lives, doraise=True, invalidation_mode=by_hash)
"""


def make(target: Path, pins: Path, etld: Path, prefix: Path) -> Path:
    """Make it, and return the directory of its packages. Raises CalledProcessError when something does not work."""
    venv.EnvBuilder(symlinks=True, clear=True).create(target)
    programs = target / "bin"
    shutil.rmtree(programs)
    programs.mkdir()
    python = programs / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python.symlink_to(Path(sys.base_prefix, "bin", version))
    with tempfile.TemporaryDirectory() as work:
        install = [uv(Path(work)), "pip", "install", "--quiet", "--link-mode", "copy", "--python", str(python)]
        run(*install, "--no-deps", "--require-hashes", "-r", str(pins))
        run(*install, "--no-deps", "--no-build-isolation", str(etld))
    packages = target / "lib" / version / "site-packages"
    _slim(packages)
    _strip(python, packages)
    run(str(python), "-P", "-B", "-c", LOAD + _COMPILE, str(target), str(prefix))
    for one in programs.iterdir():
        if one != python:
            one.unlink()
    (target / ".lock").unlink(missing_ok=True)  # uv's
    (programs / "python3").symlink_to("python")
    program = programs / "etld"
    program.write_text(_PROGRAM.format(python=prefix / "bin" / "python"))
    program.chmod(0o755)
    (target / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\ninclude-system-site-packages = false\n")
    return packages


def uv(work: Path) -> str:
    """The path of uv, which is installed into the empty directory `work` where there is none."""
    found = shutil.which("uv")
    if found is None:
        venv.EnvBuilder(symlinks=True, with_pip=True).create(work)
        pip = (str(work / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--no-deps", "--require-hashes", "-r", str(ROOT / "deploy" / "uv.txt"))
        found = str(work / "bin" / "uv")
    return found


def _slim(packages: Path) -> None:
    # It built etld, and nobody is to build here.
    for one in ("setuptools", "pkg_resources", "_distutils_hack", *packages.glob("setuptools-*")):
        shutil.rmtree(packages / one, ignore_errors=True)
    (packages / "distutils-precedence.pth").unlink(missing_ok=True)
    for unused in [*packages.rglob("tests"), *(path for pattern in _UNUSED for path in packages.glob(pattern))]:
        if unused.is_dir():
            shutil.rmtree(unused)
        else:
            unused.unlink()
    for path in [*packages.rglob("*")]:
        noted = path.name in _NOTES and path.parent.suffix == ".dist-info"
        if noted or (path.suffix in _FOR_BUILDERS and not path.is_dir()):
            path.unlink()


def _strip(python: Path, packages: Path) -> None:
    """Extension modules only: libraries beside them were changed by a tool whose work strip breaks."""
    modules = [str(path) for path in packages.rglob("*.so") if _EXTENSION.search(path.name)]
    if shutil.which("strip"):
        run("strip", "--strip-unneeded", *modules)
    # Not all of them are meant to be in one process, and some fail at its end.
    load = "import ctypes, os, sys; [*map(ctypes.CDLL, sys.argv[1:])]; os._exit(0)"
    run(str(python), "-P", "-B", "-c", load, *modules)


def run(*command: str) -> None:
    """Run a program without what this environment says of itself. Raises CalledProcessError."""
    # Paths of other environments would be taken for this one's.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run(command, check=True, env=kept)


if __name__ == "__main__":
    where, what, program = (Path(one).absolute() for one in sys.argv[1:4])
    make(where, what, program, Path(sys.argv[4]) if len(sys.argv) > 4 else where)
