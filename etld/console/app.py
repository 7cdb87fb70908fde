"""The routes of the console: pages, their JSON and CSV, actions, log-in, live parts."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from etld.console import audit, csv_text, log_in, openapi
from etld.console.asked import BadValue, NotThere, own_path, values_of
from etld.console.guard import API, SESSION, Refused
from etld.console.live import Live
from etld.console.measures import Measures
from etld.console.pages import PAGES
from etld.console.render import page_template, texts
from etld.errors import EtldError, coded
from etld.explain import code_of
from etld.util.as_json import MANY_LEVELS, as_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from etld.console.actions import Outcome
    from etld.console.frame import Console
    from etld.console.page import Page, PageAction
    from etld.worker import Worker

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LARGEST_BODY = 256 << 10
_JSON = "application/json"

log = logging.getLogger("etld.console")


class Routes:
    """All that can be asked for."""

    def __init__(self, worker: Worker, console: Console) -> None:
        self._console = console
        self.live = Live(console)
        self.measures = Measures(worker, console, self.live)

    def app(self) -> web.Application:
        """The application."""
        made = web.Application(middlewares=[self._around], client_max_size=_LARGEST_BODY)
        made.on_response_prepare.append(self._console.guard.prepare)
        add = made.router.add_route
        add("GET", "/assets/{name}", self._console.assets.answer)
        add("GET", "/log-in", self._handler(log_in.show))
        add("POST", "/log-in", self._handler(log_in.enter))
        add("POST", "/log-out", self._handler(log_in.leave))
        add("GET", f"{API}v1/openapi.json", self._openapi)
        for page in PAGES:
            add("GET", page.path, self._page(page))
            add("GET", page.api_path, self._json(page))
            if page.table is not None:
                add("GET", f"{page.path}.csv", self._csv(page))
            if page.picture is not None:
                add("GET", f"{page.path}.png", self._picture(page))
            if page.live:
                add("GET", f"/live/{page.name}", self.live.handler(page))
            for action in page.actions:
                add("POST", f"/actions/{page.name}/{action.name}", self._form(page, action))
                add("POST", f"{API}v1/{page.name}/{action.name}", self._json_action(page, action))
        return made

    def _handler(self, call: Callable[[Console, web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await call(self._console, request)

        return handle

    def _page(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            view = self._console.view(page, request)
            data = await self._console.data(page, view)
            answer = self._console.html(request, page_template(page), page=page, view=view, data=data)
            answer.enable_compression()
            return answer

        return handle

    def _json(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return _json_answer(await self._console.data(page, self._console.view(page, request)))

        return handle

    def _csv(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            assert page.table is not None
            text = csv_text.of(page.table(await self._console.data(page, self._console.view(page, request))))
            disposition = {"Content-Disposition": f'attachment; filename="etld-{page.name}.csv"'}
            return web.Response(text=text, content_type="text/csv", headers=disposition)

        return handle

    def _picture(self, page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            assert page.picture is not None
            view = self._console.view(page, request)
            found = await self._console.in_thread(page.picture, self._console.sources, view)
            if found is None:
                raise web.HTTPNotFound
            return web.Response(body=found, content_type="image/png")

        return handle

    def _form(self, page: Page, action: PageAction) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            form = await request.post()
            session = request[SESSION]
            if not session.sent(str(form.get("token", ""))):
                raise Refused(403, texts()["refused"]["token"])
            outcome = await self._do(request, page, action, {name: str(value) for name, value in form.items()})
            session.notes.append((outcome.good, coded(outcome.text, outcome.code)))
            raise web.HTTPSeeOther(own_path(str(form.get("back", page.path))))

        return handle

    def _json_action(self, page: Page, action: PageAction) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            # No other site can have a browser send this type without asking first, which is never answered.
            if request.content_type != _JSON:
                raise Refused(415, texts()["refused"]["json"])
            try:
                given = await request.json()
            except ValueError:
                given = None
            if not isinstance(given, dict):
                raise BadValue(texts()["refused"]["object"])
            outcome = await self._do(request, page, action, given)
            status = {"done": 200, "under way": 202, "refused": 403}.get(outcome.state, 409)
            explained = {"explain": outcome.code} if outcome.code else {}
            return _json_answer({"outcome": outcome.state, "message": outcome.text, **explained}, status)

        return handle

    async def _do(self, request: web.Request, page: Page, action: PageAction, given: dict[str, Any]) -> Outcome:
        values = values_of(action.fields, given)
        user, address = request[SESSION].user, self._console.guard.address(request)
        attempt = audit.AskedAction(user.name, user.role, address, f"{page.name}/{action.name}", values)
        return await self._console.actions.do(action, user, attempt)

    async def _openapi(self, _request: web.Request) -> web.StreamResponse:
        return _json_answer(openapi.document(PAGES))

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what is answered."""
        began, status = time.monotonic(), 500
        try:
            answer = await self._checked(request, handler)
            status = answer.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self.measures.ended(request, status, began)
        return answer

    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The checks before each handler, and words for what went wrong in it."""
        try:
            self._console.guard.check(request)
            return await handler(request)
        except Refused as refused:
            answer = self._wrong(request, refused.status, str(refused), "")
            if refused.retry_after:
                answer.headers["Retry-After"] = str(refused.retry_after)
            return answer
        except BadValue as error:
            return self._wrong(request, 400, str(error), error.code)
        except NotThere as error:
            return self._wrong(request, 404, str(error), error.code)
        except EtldError as error:
            return self._wrong(request, 503, str(error), error.code)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._wrong(request, error.status, texts()["status"].get(str(error.status), error.reason), "")
        except ConnectionError:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return self._wrong(request, 500, texts()["status"]["500"], "")

    def _wrong(self, request: web.Request, status: int, text: str, code: str) -> web.Response:
        """`code`: of the catalogue; "" for that of the status."""
        code = code or code_of("console", str(status))
        if request.path.startswith(API):
            return _json_answer({"code": status, "message": text, "explain": code}, status)
        return self._console.html(request, "error.html", status=status, code=status, text=coded(text, code))


def _json_answer(value: dict[str, Any], status: int = 200) -> web.Response:
    answer = web.Response(text=json.dumps(as_json(value, levels=MANY_LEVELS)), content_type=_JSON, status=status)
    answer.enable_compression()
    return answer
