"""What a verb of the control socket takes and gives; the supervisor has the verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Request = dict[str, Any]
Reply = dict[str, Any]
#: An answer that comes later: called again and again until it gives one.
Later = Callable[[], Reply | None]
Answer = Reply | Later
Verb = Callable[[Request], Answer]


class VerbError(Exception):
    """The request cannot be done: a code for programs, a message for people, and details."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
