"""What a verb may ask of the daemon; the supervisor implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Reply = dict[str, Any]
#: An answer that comes later: called again and again until it gives one.
Later = Callable[[], Reply | None]
Answer = Reply | Later


class VerbError(Exception):
    """The request cannot be done: a code for programs, a message for people, and details."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class Daemon(Protocol):
    """The daemon as verbs see it. Targets are a kind, a name, or a prefix of names."""

    def status(self) -> Reply: ...

    def health(self) -> Reply: ...

    def metrics(self) -> str: ...

    def logs(self, lines: int) -> Reply: ...

    def stop(self, *, quick: bool) -> Reply: ...

    def reload(self, *, dry_run: bool) -> Answer: ...

    def scale(self, target: str, count: int) -> Answer: ...

    def pause(self, target: str, *, paused: bool) -> Answer: ...

    def restart(self, target: str | None) -> Answer: ...

    def drain(self, *, timeout: float | None) -> Answer: ...

    def forsaken(self, later: Later) -> None:
        """Whoever waited for this answer has gone."""
