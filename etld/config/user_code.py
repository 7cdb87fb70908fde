"""Functions of the user's that the configuration names: their sources, and whether they can be imported."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import json
import os
import subprocess
import sys
import sysconfig
import time
from functools import partial
from importlib.machinery import PathFinder
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from etld.config import key_path, lines
from etld.config.safety import refuse_unsafe
from etld.errors import ConfigError, EtldError, Problem
from etld.util import interpreter
from etld.util.cpu_wait import CpuWait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from importlib.machinery import ModuleSpec

    from etld.config.model import Config

#: Seconds that the import of one module may take, without those in which it waits for a CPU.
LIMIT = 10.0
_SCRIPT = Path(__file__).with_name("import_check.py")
_POLL = 0.02
#: Directories in which distributions are installed.
_PACKAGES = frozenset({"site-packages", "dist-packages"})

_looked_in: list[str] = []


def look_in(directories: Iterable[Path]) -> None:
    """Have this process, and those that it forks, import modules of these directories too; others of before no more."""
    for one in _looked_in:
        if one in sys.path:
            sys.path.remove(one)
    _looked_in[:] = [str(one) for one in directories if str(one) not in sys.path]
    # Last, so that no file there takes the place of a module that etld needs.
    sys.path += _looked_in
    importlib.invalidate_caches()


def named(config: Config) -> dict[str, str]:
    """Every "module:function" by its key, such as "event_types.purchase.transform"."""
    found = {f"event_types.{name}.transform": kind.transform for name, kind in config.event_types.items()}
    found |= {f"corrector.rules[{number}].hook": rule.hook for number, rule in enumerate(config.corrector.rules)}
    return {key: name for key, name in found.items() if name}


def refuse_unsafe_code(config: Config) -> None:
    """Refuse what somebody else may put in the place of a module that is imported; raises EtldError.

    That is every directory of PYTHONPATH and of [python] path, and the files of each function's module.
    """
    for where, directories in (("python.path", config.python.path), ("PYTHONPATH", interpreter.search_path())):
        for directory in map(Path, directories):
            # One that is not there yet is everybody's whose it would be to make.
            there = next(path for path in (directory, *directory.parents) if path.exists())
            _named(where, partial(refuse_unsafe, there))
    for key, name in named(config).items():
        _named(key, partial(refuse_unsafe_module, name.partition(":")[0]))


def refuse_unsafe_module(module: str) -> None:
    """Refuse a module that somebody else may write or replace, or one that it imports; raises EtldError.

    What is installed beside etld is as safe as etld itself.
    """
    for path in sorted(_reached(module, lambda name, path: name.partition(".")[0] != "etld" and not _installed(path))):
        refuse_unsafe(path)
        refuse_unsafe(path.parent)
        with contextlib.suppress(NotImplementedError):  # without a cache
            cached = Path(cache_from_source(str(path)))
            if cached.exists():
                refuse_unsafe(cached)
            if cached.parent.exists():
                refuse_unsafe(cached.parent)


def _unsafe(name: str) -> str:
    """Why the module of "module:function" is not even imported; "" when it may be."""
    try:
        refuse_unsafe_module(name.partition(":")[0])
    except EtldError as error:
        return str(error)
    return ""


def _named(key: str, check: Callable[[], None]) -> None:
    try:
        check()
    except EtldError as error:
        raise EtldError(f"{key}: {error}", code=error.code) from None


def digests(config: Config) -> dict[str, str]:
    """A digest of the source of each function's module, for `etld reload` to see that it was edited.

    Of a hook by its name, since one worker has all of them: a module is imported once in the life of a process.
    """
    importlib.invalidate_caches()
    found = {}
    for key, name in named(config).items():
        at = f"corrector.hooks.{name}" if key.startswith("corrector.") else key
        found[f"{at}.content"] = _digest(name.partition(":")[0])
    return found


def _digest(module: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(_sources(module)):
        try:
            digest.update(f"{path}\0".encode() + path.read_bytes())
        except OSError:
            continue
    return digest.hexdigest()


def _sources(module: str) -> set[Path]:
    """The module's file, those of the packages that it is in, and of the modules beside it that it imports."""
    package = module.partition(".")[0]
    spec = _find(package)
    if spec is None or spec.origin is None:
        return set()
    origin = Path(spec.origin)
    root = origin.parent.parent if spec.submodule_search_locations is not None else origin.parent

    # Of what is installed only the package itself is looked at: the rest changes with an upgrade.
    def beside(name: str, path: Path) -> bool:
        return path.is_relative_to(root) and (name.partition(".")[0] == package or not _installed(path))

    return _reached(module, beside)


def _reached(module: str, wanted: Callable[[str, Path], bool]) -> set[Path]:
    """The files of a module and of all that it imports, from those on that are wanted (a module's name, its file)."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for path in _files(name):
            if path not in found and wanted(name, path):
                found.add(path)
                waiting += _imports(path, name)
    return found


def _installed(path: Path) -> bool:
    """Is it Python's, or installed beside etld?"""
    if not _PACKAGES.isdisjoint(path.parts):
        return True
    return any(path.is_relative_to(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _files(module: str) -> Iterator[Path]:
    where = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:depth]), where)
        if spec is None:
            return
        if spec.has_location and spec.origin is not None:
            yield Path(spec.origin)
        if spec.submodule_search_locations is None:
            return
        where = list(spec.submodule_search_locations)


def _find(name: str, where: list[str] | None = None) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, where)
    except (ImportError, ValueError, OSError):
        return None


def _imports(path: Path, module: str) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{one.name}" for one in node.names)


def check(config: Config) -> None:
    """`checking`, waited for."""
    for _ in checking(config):
        time.sleep(_POLL)


def checking(config: Config) -> Generator[None, None, None]:
    """Import every function in a process of its own, which may hang or die of it; yields while that takes.

    Raises ConfigError with all that cannot be imported.
    """
    keys = named(config)
    wrong = {name: text for name in keys.values() if (text := _unsafe(name))}
    left = sorted(set(keys.values()) - wrong.keys())
    while left:
        told, reason = yield from _ask(left)
        wrong |= {name: text for name, text in told.items() if text}
        left = left[len(told) :]
        if left:  # it ended with this one
            wrong[left[0]] = reason
            left = left[1:]
    if wrong:
        raise ConfigError(list(_problems(config, keys, wrong)), str(config.source))


def _ask(names: list[str]) -> Generator[None, None, tuple[dict[str, str], str]]:
    """What is wrong with each, "" for nothing, as far as the process came; and why it came no further."""
    with os.fdopen(os.memfd_create("etld-imports"), "r+b") as output:
        # As a file, with our own path: the workers that will import it are forks of this process.
        argv = [sys.executable, "-P", str(_SCRIPT), str(output.fileno()), str(os.getpid())]
        argv.append(json.dumps({"names": names, "path": sys.path}))
        child = subprocess.Popen(
            argv,
            pass_fds=(output.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        hung = False
        told_bytes, began, waited = 0, time.monotonic(), CpuWait(child.pid)
        try:
            while child.poll() is None and not hung:
                yield
                if told_bytes != os.fstat(output.fileno()).st_size:  # the next one's turn
                    told_bytes, began = os.fstat(output.fileno()).st_size, time.monotonic()
                    waited = CpuWait(child.pid)
                over = time.monotonic() - began - LIMIT
                # On a busy machine an import takes long without being at fault.
                hung = over > 0 and over > waited.seconds()
        finally:
            child.kill()
            child.wait()
        output.seek(0)
        told: dict[str, str] = {}
        for line in output.read().splitlines():
            name, text = json.loads(line)
            told[name] = text
    if hung:
        return told, f"its import does not end within {LIMIT:g} s"
    return told, f"its import ends the process (exit code {child.returncode})"


def _problems(config: Config, keys: Mapping[str, str], wrong: Mapping[str, str]) -> Iterable[Problem]:
    try:
        index = lines.index(config.source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        index = {}
    rules = {f"corrector.rules[{number}].hook": rule.in_file for number, rule in enumerate(config.corrector.rules)}
    for key, name in keys.items():
        if name not in wrong:
            continue
        in_file, told = rules.get(key), f"{name}: {wrong[name]}"
        if in_file is not None:
            yield in_file.problem(("hook",), told, "ETLD-W001")
        else:
            yield Problem(key, lines.find(index, key_path.split(key)), told, code="ETLD-W001")
