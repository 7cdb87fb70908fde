"""What a verb of the control socket takes and gives; the supervisor has the verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etld.explain import code_of

Request = dict[str, Any]
Reply = dict[str, Any]
#: An answer that comes later: called again and again until it gives one.
Later = Callable[[], Reply | None]
Answer = Reply | Later
Verb = Callable[[Request], Answer]


class VerbError(Exception):
    """The request cannot be done: a code for programs, a message for people, and details.

    `explain` is what `etld explain` tells more of, where that is another than what it says of `code`.
    """

    def __init__(self, code: str, message: str, *, explain: str = "", **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.explain = explain or code_of("control", code)
        self.details = details
