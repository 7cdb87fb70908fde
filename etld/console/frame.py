"""What all requests to the console share, and how a page is made."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from etld.console.actions import Actions
from etld.console.asked import BadValue, values_of
from etld.console.assets import Assets
from etld.console.guard import SESSION, Guard
from etld.console.page import View
from etld.console.render import render, texts
from etld.errors import EtldError
from etld.postgres.errors import DatabaseError, sqlstate
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etld.console.page import Page
    from etld.console.sources import Sources

T = TypeVar("T")

_AT_ONCE = 8
#: The class of errors that are in what was asked with.
_DATA = "22"


class Unavailable(EtldError):
    """What a page needs does not answer now."""

    code = "ETLD-U005"


class Console:
    """One for the process; `pages` in the order of the navigation."""

    def __init__(self, sources: Sources, pages: Sequence[Page]) -> None:
        self.sources = sources
        self.guard = Guard(sources.config)
        self.actions = Actions(sources)
        self.assets = Assets()
        self._pages = pages
        self._threads = ThreadPoolExecutor(_AT_ONCE, "console")

    def view(self, page: Page, request: web.Request) -> View:
        """What a request asks of a page; raises `BadValue`."""
        user = request[SESSION].user
        payloads = user.may("operator") or self.sources.config.console.view_payloads
        return View(values_of(page.fields, {**request.query, **request.match_info}), user, payloads)

    async def data(self, page: Page, view: View) -> dict[str, Any]:
        """What a page shows; raises `Unavailable`, and `EtldError` for what is asked wrongly."""
        try:
            return await self.in_thread(page.data, self.sources, view)
        except DatabaseError as error:
            if (sqlstate(error) or "").startswith(_DATA):  # such as a regular expression that only PostgreSQL refuses
                raise BadValue(one_line(error)) from error
            raise Unavailable(texts()["refused"]["database"].format(error=one_line(error))) from error

    async def in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run what blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def html(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page with what is around it."""
        session = request.get(SESSION)
        around = {
            "pages": [one for one in self._pages if one.key and one.is_listed(self.sources.config)] if session else [],
            "session": session,
            "logged_in": session is not None and session.user.digest != "",
            "is_open": self.guard.is_open,
            "notes": session.take_notes() if session else [],
            "assets": self.assets.versions,
            "here": request.path,
            "back": request.path_qs,
            "node": self.sources.config.node_id,
        }
        return web.Response(text=render(template, **around, **values), content_type="text/html", status=status)

    def close(self) -> None:
        """End what goes on, without waiting."""
        self.actions.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
