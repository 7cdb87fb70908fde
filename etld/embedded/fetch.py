"""Getting the embedded broker into the cache, showing progress.

`python -m etld.embedded.fetch` does it while etld's packages are still being installed: by the standard library alone.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from etld.embedded import choice, jars, java, tansu
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.config import Config

_MEGABYTES = 54


class _ProgressLine:
    """One line rewritten on a terminal; elsewhere a new line when a while has passed."""

    def __init__(self) -> None:
        self._next = 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, said: str) -> None:
        if self._terminal:
            _say(f"\r\x1b[K{said}", end="")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + 5.0
            _say(said)

    def end(self, said: str) -> None:
        """The last word."""
        _say(f"\r\x1b[K{said}" if self._terminal else said)


def fetch(config: Config) -> None:
    """Fetch what the configuration asks for, telling it on stderr; raises EtldError."""
    if config.kafka.bootstrap_servers != "embedded":
        return
    if choice.choose(config) == "tansu":
        tansu.binary()
        _say(choice.notice(config))
        return
    cache = choice.cache_dir(config)
    if not jars.directory(cache).is_dir():
        line = _ProgressLine()
        line.end(f"Apache Kafka {jars.version()} is in {jars.fetch(cache, line)}")


def main(arguments: list[str]) -> int:
    """Fetch what the configuration as shipped asks for here; with --wanted only say what that is, if anything.

    What cannot be fetched is no error yet: the start of the broker tries again, and says why.
    """
    target = jars.directory(jars.cache_dir(Path("var", "cache")))
    wanted = java.find() is not None and jars.maven() is not None and not target.is_dir()
    if "--wanted" in arguments:
        sys.stdout.write(f"Apache Kafka {jars.version()} ({_MEGABYTES} MB)\n" if wanted else "")
    elif wanted:
        with contextlib.suppress(EtldError):
            jars.fetch(target.parent)
    return 0


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
