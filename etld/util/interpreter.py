"""Starting etld's own programs, and living as a daemon, without running what lies in the working directory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_SEARCH_PATH = "PYTHONPATH"


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a module of etld as a program.

    -P: else Python looks for modules in the working directory first, and whoever may write there runs code as us.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def search_path(env: Mapping[str, str] = os.environ) -> list[str]:
    """The directories of PYTHONPATH, absolute; an empty one is the working directory, as Python has it."""
    value = env.get(_SEARCH_PATH, "")
    return [os.path.normpath(Path(entry).absolute()) for entry in value.split(os.pathsep)] if value else []


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a program that runs in another directory: PYTHONPATH means the same there."""
    found = search_path()
    return {**os.environ, **({_SEARCH_PATH: os.pathsep.join(found)} if found else {}), **more}


def settle(directory: Path) -> None:
    """Live in a directory of ours from now on, and look for no module where this program happened to be started."""
    with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
        if not sys.flags.safe_path and sys.path[:1] in ([""], [str(Path.cwd())]):
            del sys.path[0]
    os.environ.update(environment())
    os.chdir(directory)
