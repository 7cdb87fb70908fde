"""What changes by itself on a page: sent to the browser when it does (server-sent events)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from etld.console.guard import SESSION, Refused
from etld.console.render import live_block, texts
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from etld.console.access.sessions import LogInSession
    from etld.console.frame import Console
    from etld.console.page import Page, View

#: Seconds between two looks, and after which an idle line says that it is there.
EVERY, _SAY = 1.0, 15.0
_HERE = b": here\n\n"
#: Milliseconds after which a browser tries again.
_RETRY = b"retry: 1000\n\n"
#: Browsers at once.
_MOST = 100


_Key = tuple[Any, ...]


@dataclass
class _Turn:
    """Who looks for a page, and when the next may by the loop's clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    next: float = 0.0


class Live:
    """Every open page."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: set[asyncio.Task[Any]] = set()
        #: By page, values and what may be seen: who look at the same share the work.
        self._looks: dict[_Key, asyncio.Task[dict[str, Any]]] = {}
        self._watchers: Counter[_Key] = Counter()
        self._turns: dict[str, _Turn] = {}

    @property
    def count(self) -> int:
        """How many look now."""
        return len(self._open)

    def handler(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Answers with the events of a page."""

        async def handle(request: web.Request) -> web.StreamResponse:
            view = self._console.view(page, request)
            if len(self._open) >= _MOST:
                raise Refused(503, texts()["refused"]["too_many"])
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                await response.prepare(request)
                await response.write(_RETRY)
                await self._tell(response, page, view, request[SESSION])
            except (ConnectionError, asyncio.CancelledError):
                pass  # the browser has gone, or the console ends
            finally:
                self._open.discard(task)
            return response

        return handle

    async def _tell(self, response: web.StreamResponse, page: Page, view: View, session: LogInSession) -> None:
        told, said = "", 0.0
        key = (page.name, tuple(sorted(view.values.items())), view.payloads, view.user.role)
        with self._watched(key):
            while self._console.guard.still(session):
                try:
                    look = asyncio.shield(self._look(key, page, view))
                    while not (await asyncio.wait({look}, timeout=_SAY))[0]:
                        await response.write(_HERE)
                    shown = self._shown(page, view, session, await look)
                except EtldError as error:
                    told = ""  # whatever comes next says that it is over
                    await response.write(_event("trouble", str(error)))
                else:
                    if shown != told:
                        await response.write(_event("live", shown))
                        told, said = shown, 0.0
                said += EVERY
                if said >= _SAY:
                    await response.write(_HERE)
                    said = 0.0
                await asyncio.sleep(EVERY)
        await response.write(_event("ended", texts()["live"]["ended"]))

    def _shown(self, page: Page, view: View, session: LogInSession, data: dict[str, Any]) -> str:
        back = page.address(view.values)
        return live_block(page, view=view, data=data, session=session, back=back)

    @contextlib.contextmanager
    def _watched(self, key: _Key) -> Iterator[None]:
        """While somebody looks at it; a look that nobody waits for any more is not begun."""
        self._watchers[key] += 1
        try:
            yield
        finally:
            self._watchers[key] -= 1
            if not self._watchers[key]:
                del self._watchers[key]
                if key in self._looks:
                    self._looks.pop(key).cancel()

    def _look(self, key: _Key, page: Page, view: View) -> asyncio.Task[dict[str, Any]]:
        task = self._looks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._in_turn(page, view))
            self._looks[key] = task
            task.add_done_callback(
                lambda _: asyncio.get_running_loop().call_later(EVERY / 2, self._looks.pop, key, None)
            )
        return task

    async def _in_turn(self, page: Page, view: View) -> dict[str, Any]:
        """Look, one after the other where that takes a share of the time only."""
        if page.share >= 1:
            return await self._console.data(page, view)
        loop = asyncio.get_running_loop()
        turn = self._turns.setdefault(page.name, _Turn())
        async with turn.lock:
            await asyncio.sleep(turn.next - loop.time())
            began = loop.time()
            try:
                return await self._console.data(page, view)
            finally:
                turn.next = began + (loop.time() - began) / page.share

    def close(self) -> None:
        """Let go of all browsers; they come back by themselves."""
        for task in list(self._open):
            task.cancel()


def _event(name: str, text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
