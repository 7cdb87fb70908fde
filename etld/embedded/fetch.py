"""`python -m etld.embedded.fetch`: get the embedded broker into the cache, showing progress."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from etld import config as configuration
from etld.embedded import choice, jars, tansu
from etld.errors import EtldError


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


def fetch(config: configuration.Config) -> None:
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
    """Fetch for the configuration (an optional path); 0 when all is there."""
    try:
        fetch(configuration.load(Path(arguments[0]) if arguments else None))
    except EtldError as error:
        _say(f"etld: {error}")
        return error.exit_code
    return 0


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
