"""Who is logged in. Sessions live in memory: who restarts the console logs everybody out."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.console.access.users import User

#: More than this at once push the least used out.
_MOST = 1000


@dataclass(slots=True)
class LogInSession:
    """One browser; `seen` is when it asked last (monotonic seconds)."""

    user: User
    seen: float
    id: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    #: What its forms carry, so that no other site can send them.
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    #: What its next page says of what was done: (good, text).
    notes: list[tuple[bool, str]] = field(default_factory=list)

    def sent(self, token: str) -> bool:
        """Is it the token of this session's forms?"""
        return hmac.compare_digest(self.token.encode(), token.encode())

    def take_notes(self) -> list[tuple[bool, str]]:
        """What is to be said, once."""
        notes, self.notes = self.notes, []
        return notes


class Sessions:
    """All of them; `idle` in seconds."""

    def __init__(self, idle: float) -> None:
        self.idle = idle
        self._by_id: OrderedDict[str, LogInSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(self, user: User, now: float) -> LogInSession:
        """A new one, with an id that nobody has seen."""
        session = LogInSession(user, now)
        self._by_id[session.id] = session
        if len(self._by_id) > _MOST:
            self._by_id.popitem(last=False)
        return session

    def find(self, identifier: str, now: float, *, used: bool = True) -> LogInSession | None:
        """The session of this id, unless it was idle for too long; `used`: this is something that it does."""
        session = self._by_id.get(identifier)
        if session is None:
            return None
        if now - session.seen > self.idle:
            self.end(session)
            return None
        if used:
            session.seen = now
            self._by_id.move_to_end(identifier)
        return session

    def end(self, session: LogInSession) -> None:
        """Forget it."""
        self._by_id.pop(session.id, None)
