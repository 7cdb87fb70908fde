"""What every request goes through: where it comes from, and who sends it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from etld.console.access import origin
from etld.console.access.log_in_limit import LogInLimit
from etld.console.access.sessions import LogInSession, Sessions
from etld.console.access.tokens import TokensFile
from etld.console.access.trusted_header import NoRole, TrustedHeader
from etld.console.access.users import LOCAL, UsersFile
from etld.console.render import texts
from etld.util.text import printable

if TYPE_CHECKING:
    from etld.config import Config
    from etld.console.access.users import User

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

    def __init__(self, status: int, text: str, retry_after: int = 0) -> None:
        super().__init__(text)
        self.status = status
        #: The seconds to wait before the next try; 0: none are told.
        self.retry_after = retry_after


class Guard:
    """Sessions, users, and the checks."""

    def __init__(self, config: Config) -> None:
        console = config.console
        self.users = None if console.users_file is None else UsersFile(console.users_file)
        self.tokens = None
        if console.tokens_file is not None:
            self.tokens = TokensFile(console.tokens_file, config.console_tokens_path)
        self._header = TrustedHeader(console)
        #: Nobody logs in: the address is a loopback one (config_check.py).
        self.is_open = self.users is None and not self._header.on and origin.is_loopback(console.host)
        self.sessions = Sessions(console.session_idle)
        self.limit, self._token_limit = LogInLimit(time.monotonic()), LogInLimit(time.monotonic())
        self.failed = 0
        self._cookie = f"etld_session_{console.port}"
        self._secure = console.tls_cert_file is not None

    def check(self, request: web.Request) -> None:
        """Raise `Refused`, or give the request its session; raises a redirection to the log-in."""
        told = texts()["refused"]
        program = self._by_token(request)
        if program is not None:
            # No other site can have a browser send a token, so neither Host nor Origin say anything.
            request[SESSION] = LogInSession(program, time.monotonic())
            return
        if self.is_open and origin.foreign_host(request.headers):
            raise Refused(403, told["host"])
        if request.method not in _SAFE and origin.foreign_sender(request.headers):
            raise Refused(403, told["sender"])
        session = self._session(request, used=not request.path.startswith("/live/"))
        if session is not None:
            request[SESSION] = session
        elif not request.path.startswith(_OPEN):
            if request.path.startswith((API, "/live/")) or request.method not in _SAFE:
                raise Refused(401, told["log_in"])
            if self.users is None:
                raise Refused(401, told["elsewhere"])
            raise web.HTTPSeeOther(f"{LOG_IN}?next={quote(request.path_qs, safe='')}")

    def _by_token(self, request: web.Request) -> User | None:
        """Who comes with a bearer token, which is for the API alone; raises `Refused` for one that is not good."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _is_api(request):
            return None
        found = None if self.tokens is None else self.tokens.find(token.strip(), datetime.now(UTC))
        if found is not None:
            return found.user
        self.failed += 1
        wait = self._token_limit.wait(self.address(request), time.monotonic())
        if wait:
            raise Refused(429, texts()["log_in"]["wait"].format(seconds=int(wait) + 1), int(wait) + 1)
        raise Refused(401, texts()["refused"]["bearer"])

    def _session(self, request: web.Request, *, used: bool) -> LogInSession | None:
        now = time.monotonic()
        session = self.sessions.find(request.cookies.get(self._cookie, ""), now, used=used)
        user = LOCAL if self.is_open else self._by_header(request)
        if user is None and session is not None and self._logged_in(session.user):
            return session
        if session is not None and session.user == user:
            return session
        if session is not None and not self.is_open:
            self.sessions.end(session)  # removed, with another role or password now, or not by the proxy
        if user is None:
            return None
        # A program that brings no cookie gets none kept.
        return LogInSession(user, now) if _is_api(request) else self.sessions.begin(user, now)

    def _by_header(self, request: web.Request) -> User | None:
        try:
            return self._header.user(request.remote or "", request.headers.getall(self._header.name, []))
        except NoRole as error:
            raise Refused(403, texts()["refused"]["no_role"].format(name=printable(error, 64))) from None

    def _logged_in(self, user: User) -> bool:
        return self.users is not None and user.digest != "" and self.users.get(user.name) == user

    def still(self, session: LogInSession) -> bool:
        """Is a session that was found before in force yet?"""
        user = session.user
        known = user == LOCAL if self.is_open else self._logged_in(user) or self._header.knows(user)
        return known and self.sessions.find(session.id, time.monotonic(), used=False) is session

    def address(self, request: web.Request) -> str:
        """Where a request comes from, by way of trusted proxies."""
        return self._header.client(request.remote or "unknown", request.headers)

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
