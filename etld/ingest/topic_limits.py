"""Do the topics take what ingest takes? Their limits may be lowered at any time, and so may the brokers'."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

#: Seconds between two questions.
_EVERY = 5.0
_TIMEOUT = 1.5
#: What a record has beside its value, in bytes: its batch's head, its key, the headers of a repair.
_AROUND = 1024
#: A letter's headers beside the call as it came: what was wrong may take 2,000 characters.
_LETTER_HEADERS = 16 << 10


def problem(limits: Mapping[str, int], letters: Collection[str], max_event: int) -> str | None:
    """Which topics do not take what an event of `max_event` bytes may need there; `limits` in bytes by topic.

    `letters` are those of dead letters.
    """
    told = []
    for topic, limit in limits.items():
        # A letter may hold a call as it came (in a header) and its rewriting.
        needed = 2 * max_event + _LETTER_HEADERS if topic in letters else max_event + _AROUND
        if limit < needed:
            told.append(
                f"topic {topic} takes {limit} bytes (max.message.bytes),"
                f" and ingest.max_event = {max_event} needs {needed} there"
            )
    if not told:
        return None
    return f"{'; '.join(told)}: raise the one or lower the other, larger events are refused"


class TopicLimits:
    """Asks on a thread now and then; `tell` gets what is wrong, or None, on the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, settings: Mapping[str, Any], tell: Callable[[str | None], None]
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._tell = tell
        self._admin: Admin | None = None
        self._asking: asyncio.Future[dict[str, int] | None] | None = None
        self._due = 0.0

    def tick(self, now: float, topics: Sequence[str], letters: Sequence[str], max_event: int) -> None:
        """Ask when it is time, and tell; `now` is of the loop's clock."""
        asking = self._asking
        if asking is not None and asking.done():
            self._asking = None
            limits = asking.result()
            if limits is not None:
                self._tell(problem(limits, letters, max_event))
        if self._asking is None and now >= self._due:
            self._due = now + _EVERY
            self._asking = self._loop.run_in_executor(None, self._ask, tuple(dict.fromkeys([*topics, *letters])))

    def _ask(self, topics: Sequence[str]) -> dict[str, int] | None:
        """The limits that are known; None when Kafka tells none, which is told elsewhere."""
        limits: dict[str, int] = {}
        began = time.monotonic()
        for topic in topics:
            if time.monotonic() - began > _TIMEOUT:  # the process shall not wait for this when it ends
                break
            # One topic may be missing, or not be this user's to ask for.
            with contextlib.suppress(KafkaProblem, KeyError):
                if self._admin is None:
                    self._admin = Admin(self._settings, _TIMEOUT)
                limits[topic] = int(self._admin.topic_config(topic)["max.message.bytes"])
        return limits or None
