"""Starting etld's own programs, and living as a daemon, without running what lies in the working directory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_SEARCH_PATH = "PYTHONPATH"
# Files and directories that the libraries of PostgreSQL, TLS and Kerberos look for by themselves.
_FILES = (
    *("PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLCRL"),
    *("PGSSLCRLDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "OPENSSL_CONF"),
    *("KRB5_CONFIG", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "KRB5CCNAME"),
)


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
    """This process's environment for a program that runs in another directory: each path means the same there."""
    found = search_path()
    files = {name: _absolute(os.environ[name]) for name in _FILES if name in os.environ}
    return {**os.environ, **({_SEARCH_PATH: os.pathsep.join(found)} if found else {}), **files, **more}


def _absolute(value: str) -> str:
    """A path of a variable; what is empty, a list, a kind with a colon or PGSSLROOTCERT's "system" stays."""
    return value if value in ("", "system") or ":" in value else os.path.normpath(Path(value).absolute())


def settle(directory: Path) -> None:
    """Live in a directory of ours from now on, and look for no module where this program happened to be started."""
    with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
        if not sys.flags.safe_path and sys.path[:1] in ([""], [str(Path.cwd())]):
            del sys.path[0]
    os.environ.update(environment())
    os.chdir(directory)
