"""A flood of strangers, in a process of its own: scrapers without end, and clients that send half a body.

    python flood.py PORT SCRAPERS HALF_BODIES

It says "begun" once each has been answered or is connected, and its counts as JSON when it is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

_ADDRESS = "127.0.0.2"
_HALF = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b" " * 500_000
#: Seconds until one that was sent away comes again.
_PAUSE = 1.0


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(_ADDRESS, 0))


async def _scrape(port: int, seen: Counter[str], begun: asyncio.Event) -> None:
    reader, writer = await _open(port)
    with contextlib.closing(writer):
        while True:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            seen[f"scrapes {head[9:12].decode()}"] += 1
            begun.set()


async def _send_half(port: int, seen: Counter[str], begun: asyncio.Event) -> None:
    reader, writer = await _open(port)
    with contextlib.closing(writer):
        begun.set()
        writer.write(_HALF)
        answer = await reader.read(1000)
        seen[f"half bodies {answer[9:12].decode()}"] += 1


Attack = Callable[[int, Counter[str], asyncio.Event], Awaitable[None]]


async def _for_ever(attack: Attack, port: int, seen: Counter[str], begun: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(OSError, EOFError, ValueError):
            await attack(port, seen, begun)
        await asyncio.sleep(_PAUSE)


async def _main(port: int, scrapers: int, half_bodies: int) -> None:
    seen: Counter[str] = Counter()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    attacks: list[Attack] = [_scrape] * scrapers + [_send_half] * half_bodies
    begun = [asyncio.Event() for _ in attacks]
    tasks = [
        asyncio.create_task(_for_ever(attack, port, seen, own)) for attack, own in zip(attacks, begun, strict=True)
    ]
    await asyncio.gather(*(own.wait() for own in begun))
    print("begun", flush=True)
    await over.wait()
    for task in tasks:
        task.cancel()
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    os.nice(15)  # strangers have machines of their own: here they get what the others leave
    asyncio.run(_main(*map(int, sys.argv[1:4])))
