"""Logging in and out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from aiohttp import web

from etld.console.access import users
from etld.console.asked import own_path
from etld.console.guard import LOG_IN, SESSION, Refused
from etld.console.render import texts

if TYPE_CHECKING:
    from etld.console.frame import Console

_LONGEST = 1000

log = logging.getLogger("etld.console")


async def show(console: Console, request: web.Request) -> web.StreamResponse:
    """The form."""
    return _form(console, request, request.query.get("next", "/"))


async def enter(console: Console, request: web.Request) -> web.StreamResponse:
    """Take a name and a password; a good one begins a session with an id of its own."""
    form = await request.post()
    name, password = (str(form.get(field, ""))[:_LONGEST] for field in ("name", "password"))
    following = own_path(str(form.get("next", "/")))
    known = console.guard.users
    if known is None:
        raise web.HTTPSeeOther("/")
    address, now = console.guard.address(request), time.monotonic()
    wait = console.guard.limit.wait(address, now)
    if wait:
        console.guard.failed += 1
        log.warning("too many log-ins from %s", address)
        told = texts()["log_in"]["wait"].format(seconds=int(wait) + 1)
        return _form(console, request, following, told, 429, {"Retry-After": str(int(wait) + 1)})
    user = known.get(name)
    if not await console.in_thread(users.matches, password, user) or user is None:
        console.guard.failed += 1
        log.warning("a log-in as %r from %s was refused", name[:64], address)
        return _form(console, request, following, texts()["log_in"]["wrong"], 401)
    before = request.get(SESSION)
    if before is not None:
        console.guard.sessions.end(before)
    log.info("%s (%s) logged in from %s", user.name, user.role, address)
    # The browser is told its id with the answer, as always when that is another than it sent.
    request[SESSION] = console.guard.sessions.begin(user, now)
    raise web.HTTPSeeOther(following)


async def leave(console: Console, request: web.Request) -> web.StreamResponse:
    """End the session."""
    form = await request.post()
    session = request[SESSION]
    if not session.sent(str(form.get("token", ""))):
        raise Refused(403, texts()["refused"]["token"])
    console.guard.sessions.end(session)
    del request[SESSION]
    answer = web.HTTPSeeOther(LOG_IN)
    console.guard.forget(answer)
    raise answer


def _form(
    console: Console,
    request: web.Request,
    following: str,
    wrong: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    if console.guard.users is None:
        raise web.HTTPSeeOther("/")
    answer = console.html(request, "log_in.html", status=status, following=own_path(following), wrong=wrong)
    answer.headers.update(headers or {})
    return answer
