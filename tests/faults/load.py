"""The client: events at a rate, each with an id of its own, sent again when the answer was no or none."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from faults.ledger import Kind, Ledger, State

_IN_FLIGHT = 64
_TICK = 0.02
_ANSWER_WITHIN = 8.0
_ATTEMPTS = 6


@dataclass(frozen=True)
class Plan:
    """Events a second, how many go into one request, and the shares of events that are not good."""

    rate: float = 300.0
    batch: int = 1
    repairable: float = 0.01
    hopeless: float = 0.005
    # How many of those without a good answer the client sends again; the others it gives up.
    retry: float = 0.7
    event_types: tuple[str, ...] = ("purchase", "purchase", "order", "delivery")


def event(rng: random.Random, event_type: str, kind: Kind) -> dict[str, Any]:
    """One event of that type and kind."""
    number = rng.randrange(1, 10_000)
    details: dict[str, Any]
    if event_type == "purchase":
        name = rng.choice(["added_to_cart", "checkout_initiated", "payment_successful"])
        details = {"item_id": number, "item_name": f"item {number}", "price": number / 4}
        field, wrong = "price", f" {number}.25 "
    elif event_type == "order":
        name = rng.choice(["order_placed", "order_processed", "order_shipped"])
        details = {"order_id": number, "order_value": number / 4}
        field, wrong = "order_value", f"{number}.5"
    else:
        name = rng.choice(["order_shipped", "order_delivered"])
        details = {"tracking_id": f"T{number}", "carrier": rng.choice(["DHL", "UPS"])}
        field, wrong = "carrier", ""
    event_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    made = {
        "event_id": event_id,
        "event_name": name,
        "event_type": event_type,
        "triggered_at": f"2026-01-{1 + number % 28:02d}T{number % 24:02d}:00:00Z",
        "user_details": {"user_id": number, "country": "DE"},
        "event_details": details,
    }
    if kind is Kind.REPAIRABLE:
        if wrong:
            details[field] = wrong
        else:
            made["triggered_at"] = f"2026/01/{1 + number % 28:02d}"
    elif kind is Kind.HOPELESS:
        del details[field]
    return made


class Load:
    """A context: sends from entry to exit, from a thread of its own; then waits for the last answers.

    To each of `urls` in turn, as a load balancer does.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], ledger: Ledger, plan: Plan, seed: int) -> None:
        self._urls = urls
        self._turns = itertools.count()
        self._ledger = ledger
        self._plan = plan
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name="load", daemon=True)
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "the load does not end"
        if self.failure is not None:
            raise self.failure

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.failure = error

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=_IN_FLIGHT)) as http:
            tasks: set[asyncio.Task[None]] = set()
            began = due = time.monotonic()
            sent = 0
            while not self._stop.is_set():
                now = time.monotonic()
                # What a stalled etld kept from being sent is not made up for: the ledger starts with a request.
                began += max(0.0, now - due - 0.5)
                wanted = int((now - began) * self._plan.rate) - sent
                while wanted >= self._plan.batch:
                    events = [self._event() for _ in range(self._plan.batch)]
                    if len(tasks) < _IN_FLIGHT:
                        task = asyncio.create_task(self._deliver(http, events))
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                    wanted -= self._plan.batch
                    sent += self._plan.batch
                due = now + _TICK
                await asyncio.sleep(_TICK)
            if tasks:
                await asyncio.gather(*tasks)

    def _event(self) -> tuple[dict[str, Any], Kind]:
        drawn = self._rng.random()
        kind = Kind.GOOD
        if drawn < self._plan.repairable:
            kind = Kind.REPAIRABLE
        elif drawn < self._plan.repairable + self._plan.hopeless:
            kind = Kind.HOPELESS
        return event(self._rng, self._rng.choice(self._plan.event_types), kind), kind

    async def _deliver(self, http: aiohttp.ClientSession, events: list[tuple[dict[str, Any], Kind]]) -> None:
        left = events
        for attempt in range(_ATTEMPTS):
            for one, kind in left:
                self._ledger.sending(one["event_id"], kind, one["event_type"])
            statuses = await self._post(http, [one for one, _ in left])
            again = []
            for (one, kind), status in zip(left, statuses, strict=True):
                state = self._ledger.answered(one["event_id"], status)
                if state in (State.UNKNOWN, State.UNAVAILABLE) and self._rng.random() < self._plan.retry:
                    again.append((one, kind))
            left = again
            if not left or attempt == _ATTEMPTS - 1 or (self._stop.is_set() and attempt >= 2):
                return
            await asyncio.sleep(0.2 * 2**attempt)

    async def _post(self, http: aiohttp.ClientSession, events: list[dict[str, Any]]) -> list[int | None]:
        """A status for each event; None where no answer came."""
        urls = self._urls()
        url = urls[next(self._turns) % len(urls)]
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError, OSError):
            if self._plan.batch == 1:
                async with http.post(f"{url}/track", json=events[0]) as answer:
                    await answer.read()
                    return [answer.status]
            async with http.post(f"{url}/v1/batch", json={"batch": events}) as answer:
                document = await answer.json(content_type=None)
                if answer.status == 207:
                    return [item["code"] for item in document["results"]]
                return [answer.status] * len(events)
        return [None] * len(events)
