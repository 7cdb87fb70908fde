"""One HTTP request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.ingest.http.answers import Answer


class Sender(NamedTuple):
    """Who sends a body: the name under which it is given room, and whether it may have of the room for all."""

    name: str
    known: bool


class HttpRequest:
    """A request's head, and its body as far as it has come.

    `method` is in upper case; `headers` has the first value of each field by its name in lower case; `path` is
    without a query; `close`: the client wants no further answer on this connection.
    """

    __slots__ = (
        "_chunks",
        "admitted",
        "body",
        "close",
        "complete",
        "headers",
        "method",
        "path",
        "received",
        "refusal",
        "repeated",
        "target",
        "version",
    )

    def __init__(self, method: str, target: str, version: str, headers: dict[str, str], close: bool) -> None:
        self.method = method
        self.target = target
        self.path = path_of(target)
        self.version = version
        self.headers = headers
        self.close = close
        self.complete = False
        self.body = b""
        #: Fields whose names had come before.
        self.repeated: Sequence[tuple[str, str]] = ()
        #: Bytes of the body so far.
        self.received = 0
        #: What the application has made of the head, if that came before the body.
        self.admitted: Any = None
        #: The answer that its body changes nothing of, and which is sent when all of it has come.
        self.refusal: Answer | None = None
        self._chunks: list[bytes] = []

    def all(self, name: str) -> list[str]:
        """Every value of a header that may come several times."""
        first = self.headers.get(name)
        return [] if first is None else [first, *(value for other, value in self.repeated if other == name)]

    def add(self, piece: bytes) -> None:
        """A piece of the body has come."""
        if self.refusal is None:
            self._chunks.append(piece)
        self.received += len(piece)

    def refuse(self, answer: Answer) -> None:
        """Keep nothing of its body."""
        self.refusal = answer
        self._chunks = []

    def finish(self) -> None:
        """All of the body has come."""
        chunks = self._chunks
        self.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.complete = True


def path_of(target: str) -> str:
    """The path without its query, also of an absolute-form target (RFC 9112, section 3.2.2)."""
    if not target.startswith("/"):
        return urlsplit(target).path or target
    if "?" in target:
        target = target.partition("?")[0]
    return target.partition("#")[0] if "#" in target else target
