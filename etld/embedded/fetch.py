"""`python -m etld.embedded.fetch`: get the embedded broker into the cache, showing progress."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from etld import config as configuration
from etld.embedded import choice, jars, tansu
from etld.errors import EtldError


class _Line:
    """One line rewritten on a terminal; elsewhere a new line when a while has passed."""

    def __init__(self) -> None:
        self._next = 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, said: str) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{said}")
            sys.stderr.flush()
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + 5.0
            print(said, file=sys.stderr, flush=True)

    def end(self, said: str) -> None:
        """The last word."""
        print(f"\r\x1b[K{said}" if self._terminal else said, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Fetch what the configuration (an optional path) asks for; 0 when it is there."""
    try:
        config = configuration.load(Path(arguments[0]) if arguments else None)
        if config.kafka.bootstrap_servers != "embedded":
            return 0
        if choice.choose(config) == "tansu":
            print(tansu.NOTICE, file=sys.stderr)
            tansu.binary()
            return 0
        cache = choice.cache_dir(config)
        if not jars.directory(cache).is_dir():
            line = _Line()
            line.end(f"Apache Kafka {jars.version()} is in {jars.fetch(cache, line)}")
    except EtldError as error:
        print(f"etld: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
