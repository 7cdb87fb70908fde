"""People at consoles: each has a page open that changes by itself, and goes to another every few seconds.

Arguments: the console's address, and how many they are. A line says when all of them see their page; on SIGTERM another
has the numbers as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys

import aiohttp

LIVE = ("flow", "workers", "topics", "dead-letters")
#: Seconds between two pages of one person.
EVERY = 5.0


class People:
    """What they saw."""

    def __init__(self, base: str, count: int) -> None:
        self.base, self.count = base, count
        self.pages = self.changes = self.failures = 0
        self._seeing = 0
        self._all_see = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM."""
        end = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=60.0)) as session:
            people = asyncio.gather(*(self._person(session, number) for number in range(self.count)))
            ended = asyncio.ensure_future(end.wait())
            for step in (asyncio.ensure_future(self._all_see.wait()), ended):
                await asyncio.wait({people, step, ended}, return_when=asyncio.FIRST_COMPLETED)
                if people.done():
                    people.result()
                if not end.is_set():
                    print("all see their page", flush=True)
            people.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await people
        print(json.dumps({"pages": self.pages, "changes": self.changes, "failures": self.failures}), flush=True)

    async def _person(self, session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.gather(self._looks(session, LIVE[number % len(LIVE)]), self._clicks(session, number))

    async def _looks(self, session: aiohttp.ClientSession, page: str) -> None:
        async with session.get(f"{self.base}/live/{page}") as answer:
            first = True
            async for line in answer.content:
                if line.startswith(b"event: live"):
                    self.changes += 1
                    self._seeing += first
                    first = False
                    if self._seeing == self.count:
                        self._all_see.set()
        self.failures += 1  # it ends with the test only

    async def _clicks(self, session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(EVERY * number / self.count)
        while True:
            for page in ("", "events", "dead-letters", "topics", "summaries"):
                async with session.get(f"{self.base}/{page}") as answer:
                    await answer.read()
                    self.pages += 1
                    self.failures += answer.status != 200
                await asyncio.sleep(EVERY)


if __name__ == "__main__":
    asyncio.run(People(sys.argv[1], int(sys.argv[2])).run())
