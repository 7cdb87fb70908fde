"""What the connections of a server share."""

from __future__ import annotations

import asyncio
from typing import Any

from etld.ingest.http.status import HttpLimits, ServerStatus

LIMITS = HttpLimits(max_body=100, max_connections=3, header_timeout=5.0, body_timeout=7.0, keep_alive=60.0)


class Refused(asyncio.Transport):
    """Of a client that sends on."""

    paused = closing = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        assert not self.closing
        self.paused = False

    def is_closing(self) -> bool:
        return self.closing


def test_what_nobody_wants_is_read_a_little_at_a_time() -> None:
    """So that clients who send on when they were refused hold up no others."""
    loop: Any = asyncio.new_event_loop()
    status = ServerStatus(loop, LIMITS)
    first, second, late, gone = (Refused() for _ in range(4))
    for _ in range(2):
        sent = 0
        while not first.paused:
            status.throw_away(50_000, first)
            sent += 50_000
        assert 4 << 20 < sent < 5 << 20
        for one in (second, late, gone):
            status.throw_away(0, one)
            assert one.paused, "nothing more before the next tick"
        gone.closing = True
        status.tick()
        assert not any(one.paused for one in (first, second, late))
    many = [Refused() for _ in range(120)]
    status.throw_away(5 << 20, first)
    for one in many:
        status.throw_away(1, one)
    for left in (71, 21, 0):
        status.tick()
        assert sum(one.paused for one in many) == left, "not all of them at once"
    loop.close()
