"""What a role holds of its supervisor."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from etld import logs
from etld.errors import EtldError
from etld.worker import channel as wire
from etld.worker.addresses import Addresses
from etld.worker.metrics import Metrics, key
from etld.worker.slot import SlotSpec

if TYPE_CHECKING:
    from etld.config import Config

#: sysexits.h EX_CONFIG: a new attempt with the same configuration would fail alike.
FATAL_EXIT = 78
BEAT_SECONDS = 0.5

#: Offsets by (topic, partition).
Positions = dict[tuple[str, int], int]

log = logging.getLogger("etld.worker")


class Worker:
    """One supervised process, seen from inside.

    The work loop calls ready() once, then beat() as often as it goes round, and returns from the
    role's run() when `stopping`. Blocking loops sleep in wait(); asyncio loops add_reader(fileno(),
    receive). Counters and faults may be touched from any thread; the rest belongs to the main thread.
    """

    def __init__(
        self,
        config: Config,
        slot: SlotSpec,
        addresses: Addresses,
        *,
        sockets: Sequence[socket.socket] = (),
        channel: wire.Channel | None = None,
    ) -> None:
        self.config = config
        self.kind = slot.kind
        self.name = slot.name
        self.index = slot.index
        self.event_type = slot.event_type
        self.addresses = addresses
        self.sockets = list(sockets)
        self.stopping = False
        #: When it stops: "slot" or "daemon" for what of it does not come back, None when it is only replaced.
        self.leaves: str | None = None
        #: How the daemon is, for the other hosts, as the supervisor said last; told to one worker that reads topics.
        self.host: dict[str, Any] | None = None
        self.paused = False
        #: Offsets by (topic, partition), up to which a paused role still goes, and no further.
        self.until: Positions = {}
        #: How often `etld resume` came, whether paused or not: it also ends what a role stopped by itself.
        self.resumes = 0
        #: The process before this one crashed or hung: nobody from outside ended it.
        self.ended_by_itself = False
        #: Set by a role that says itself, with at_rest(), when it has come to rest after a pause.
        self.comes_to_rest = False
        #: Called with the new configuration after a reload that needs no restart; EtldError becomes a fault.
        self.on_reload: Callable[[Config], None] | None = None
        #: Called before on_reload, for what every role shares (the log level).
        self.on_config: Callable[[Config], None] | None = None
        #: Called once when `stopping` becomes true by a message or the supervisor's end.
        self.on_stop: Callable[[], None] | None = None
        #: The daemon's state and problems, and when (monotonic) the supervisor said so: told once a second to
        #: workers that listen.
        self.daemon: tuple[float, str, list[str]] | None = None
        #: Called after ask_metrics(), with the daemon's metrics as Prometheus reads them, and for how many seconds they
        #: may be shown.
        self.on_metrics: Callable[[bytes, float], None] | None = None
        self.metrics = Metrics()
        self._channel = channel
        self._is_ready = False
        self._told_rest = False
        self._tells_positions = False
        self._next_beat = 0.0
        self._told_stop = False
        self._may_begin = False
        #: What came before the role has begun, and is for it; None when nobody waits for that.
        self._early: list[dict[str, Any]] | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._wake, select.EPOLLIN)
        if channel is not None:
            self._poll.register(channel.fileno(), select.EPOLLIN)

    # -- the supervisor's messages

    def fileno(self) -> int:
        """Readable when receive() has something to do."""
        return self._poll.fileno()

    def receive(self) -> None:
        """Take the supervisor's messages, and its end, without blocking."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        if self._may_begin:
            early, self._early = self._early, None
            for message in early or ():
                self._take(message)
        if self._channel is not None and not self._channel.closed:
            for message in self._channel.receive():
                self._take(message)
            if self._channel.closed:
                self._poll.unregister(self._channel.fileno())
                log.warning("the supervisor is gone; stopping")
                self.stopping = True
        if self.stopping and not self._told_stop:
            self._told_stop = True
            if self.on_stop is not None:
                self.on_stop()

    def wait(self, seconds: float) -> bool:
        """Beat, then sleep until the time is over or the supervisor says something; True when stopping."""
        self._tell()
        if not self.stopping:
            self._poll.poll(max(0.0, seconds))
        self.receive()
        return self.stopping

    def await_turn(self) -> bool:
        """Beat until the supervisor says that what the role needs is up; True when stopping.

        What else it says meanwhile, receive() gives to the role.
        """
        self._early = []
        while not (self._may_begin or self.stopping):
            self.wait(BEAT_SECONDS)
        self._wakeup()
        return self.stopping

    def request_stop(self) -> None:
        """Set `stopping` and wake wait() and fileno(); safe in a signal handler."""
        self.stopping = True
        self._wakeup()

    # -- what the supervisor is told: without secrets, since it shows that to whoever asks

    def ready(self) -> None:
        """The role would serve now. Later calls do nothing."""
        if not self._is_ready:
            self._is_ready = True
            self._send({"type": "ready"})
            self.beat(force=True)

    def at_rest(self, positions: Positions | None = None) -> None:
        """A paused role has nothing in hand any more, and stands there. Later calls do nothing until the next pause."""
        if self.paused and not self._told_rest:
            self._told_rest = True
            message: dict[str, Any] = {"type": "paused"}
            if self._tells_positions:
                message["positions"] = [[*key, offset] for key, offset in (positions or {}).items()]
            self._send(message)

    def beat(self, *, force: bool = False) -> None:
        """The work loop is alive; sends what changed, at most twice a second, and takes messages."""
        if self._tell(force=force):
            self.receive()

    def progress(self, text: str) -> None:
        """What a slow start is doing, for whoever waits; counts as a beat."""
        self._send({"type": "progress", "text": logs.redacted(text)})

    def fatal(self, reason: str, code: str = "", *, daemon: bool = False) -> NoReturn:
        """End for good: a restart would not help. The supervisor shows the reason, and its code of the catalogue.

        `daemon`: the daemon has no place here. One that has just started ends with this worker.
        """
        self._send({"type": "fatal", "reason": logs.redacted(reason), "explain": code, "daemon": daemon})
        raise SystemExit(FATAL_EXIT)

    def failed(self, message: str, code: str = "") -> None:
        """Why the worker is about to end; a restart may help. `code`: of the catalogue."""
        self._send({"type": "error", "message": logs.redacted(message), "explain": code})

    def fault(self, name: str, message: str | None) -> None:
        """A named condition ("postgres", "kafka", "disk", "breaker") that degrades the daemon; None clears it.

        The next beat() or wait() tells the supervisor at once; safe in any thread.
        """
        if self.metrics.fault(name, None if message is None else logs.redacted(message)):
            self._next_beat = 0.0

    def ask_metrics(self) -> None:
        """Ask for the whole daemon's metrics."""
        self._send({"type": "metrics"})

    # -- numbers

    def events(self, n: int) -> None:
        """Note that n of the role's main unit were done; gives the rate."""
        self.metrics.add_events(n)

    def count(self, name: str, n: int = 1, **labels: object) -> None:
        """Add to a counter, which the supervisor keeps over restarts."""
        self.metrics.count(key(name, labels), n)

    def gauge(self, name: str, value: float | None, **labels: object) -> None:
        """Set a gauge, or end its series with None."""
        self.metrics.gauge(key(name, labels), value)

    def observe(self, name: str, value: float, n: int = 1, **labels: object) -> None:
        """Add n observations of a value to a histogram; a name that ends in _seconds has time buckets."""
        self.metrics.observe(key(name, labels), value, n)

    def totals(self, source: str, values: Mapping[str, int]) -> None:
        """Absolute values kept elsewhere (the database), by source; the latest of each source count."""
        self.metrics.total(source, values)

    def lag(self, source: str, events: int) -> None:
        """How far behind a "topic:partition" is."""
        self.metrics.lag(source, events)

    def no_lag(self) -> None:
        """It reads nothing, so that nothing of its waits."""
        self.metrics.no_lag()

    def forget(self, source: str) -> None:
        """A "topic:partition" was handed over: another process tells its lag and totals from now on."""
        self.metrics.forget(source)

    # -- inside

    def _wakeup(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _tell(self, *, force: bool = False) -> bool:
        now = time.monotonic()
        if not force and now < self._next_beat:
            return False
        self._next_beat = now + BEAT_SECONDS
        self._beat()
        return True

    def _beat(self) -> None:
        logs.tick()
        if self._channel is not None and self._channel.pending:
            self._channel.flush()
            if self._channel.pending:  # it does not read: keep the changes for later
                return
        self._send({"type": "beat", **self.metrics.changes()})

    def _send(self, message: dict[str, Any]) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _take(self, message: dict[str, Any]) -> None:
        what = message.get("type")
        if what == "stop":
            self.stopping = True
            self.leaves = message.get("leaves")
        elif what == "begin":
            self._may_begin = True
        elif self._early is not None:
            self._early.append(message)
        elif what in ("pause", "resume"):
            self.paused = what == "pause"
            self.resumes += what == "resume"
            self.until = {(topic, number): offset for topic, number, offset in message.get("until", ())}
            self._told_rest = False
            self._tells_positions = "until" in message
            if not self.comes_to_rest:
                self.at_rest()
        elif what == "reload":
            self._reload(wire.unpack(message["config"]))
        else:
            self._take_news(message)

    def _take_news(self, message: dict[str, Any]) -> None:
        """How the whole daemon is."""
        what = message.get("type")
        if what == "host":
            self.host = message["report"]
        elif what == "daemon":
            self.daemon = (time.monotonic(), str(message["state"]), list(message["problems"]))
        elif what == "metrics" and self.on_metrics is not None:
            self.on_metrics(zlib.decompress(wire.unpack(message["text"])), float(message["fresh"]))

    def _reload(self, config: Config) -> None:
        self.config = config
        if self.on_config is not None:
            self.on_config(config)
        refused: str | None = None
        try:
            if self.on_reload is not None:
                self.on_reload(config)
        except EtldError as error:
            refused = logs.redacted(str(error))
            log.error("the new configuration is not taken: %s", error)
        self.fault("reload", refused)
        self._send({"type": "reloaded", "error": refused})
