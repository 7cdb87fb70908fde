"""What every request goes through: where it comes from, and who sends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from etld.console.access import origin
from etld.console.access.log_in_limit import LogInLimit
from etld.console.access.sessions import LogInSession, Sessions
from etld.console.access.users import LOCAL, UsersFile
from etld.console.render import texts

if TYPE_CHECKING:
    from etld.config.sections.console import ConsoleSection

SESSION: web.RequestKey[LogInSession] = web.RequestKey("session", LogInSession)
API = "/api/"
LOG_IN = "/log-in"
_OPEN = ("/assets/", LOG_IN)
_SAFE = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
#: Of every answer.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "etld",
}


class Refused(Exception):
    """The request is answered with a status and a text, and nothing else is done."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Guard:
    """Sessions, users, and the checks."""

    def __init__(self, console: ConsoleSection) -> None:
        self.users = None if console.users_file is None else UsersFile(console.users_file)
        self.sessions = Sessions(console.session_idle)
        self.limit = LogInLimit(time.monotonic())
        self._cookie = f"etld_session_{console.port}"
        self._secure = console.tls_cert_file is not None

    def check(self, request: web.Request) -> None:
        """Raise `Refused`, or give the request its session; raises a redirection to the log-in."""
        told = texts()["refused"]
        if self.users is None and origin.foreign_host(request.headers):
            raise Refused(403, told["host"])
        if request.method not in _SAFE and origin.foreign_sender(request.headers):
            raise Refused(403, told["sender"])
        session = self._session(request, used=not request.path.startswith("/live/"))
        if session is not None:
            request[SESSION] = session
        elif not request.path.startswith(_OPEN):
            if request.path.startswith((API, "/live/")) or request.method not in _SAFE:
                raise Refused(401, told["log_in"])
            raise web.HTTPSeeOther(f"{LOG_IN}?next={quote(request.path_qs, safe='')}")

    def _session(self, request: web.Request, *, used: bool) -> LogInSession | None:
        now = time.monotonic()
        session = self.sessions.find(request.cookies.get(self._cookie, ""), now, used=used)
        if self.users is not None:
            if session is not None and self.users.get(session.user.name) != session.user:
                self.sessions.end(session)  # removed, or with another role or password now
                return None
            return session
        # A program that brings no cookie gets none kept.
        return session or (
            LogInSession(LOCAL, now) if request.path.startswith(API) else self.sessions.begin(LOCAL, now)
        )

    def still(self, session: LogInSession) -> bool:
        """Is a session that was found before in force yet?"""
        known = self.users is None or self.users.get(session.user.name) == session.user
        return known and self.sessions.find(session.id, time.monotonic(), used=False) is session

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add to an answer what every answer has."""
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        session = request.get(SESSION)
        if session is not None and request.cookies.get(self._cookie) != session.id and not _is_api(request):
            # The response's own cookies are among its headers already.
            response.headers.add("Set-Cookie", self._set_cookie(session))

    def _set_cookie(self, session: LogInSession) -> str:
        """What has the browser keep the session's id."""
        secure = "; Secure" if self._secure else ""
        return f"{self._cookie}={session.id}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def forget(self, response: web.StreamResponse) -> None:
        """Have the browser forget it."""
        response.del_cookie(self._cookie, path="/")


def _is_api(request: web.Request) -> bool:
    return request.path.startswith(API)


def address_of(request: web.Request) -> str:
    """Where a request comes from."""
    return request.remote or "unknown"
