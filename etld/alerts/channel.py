"""One webhook over time: its incidents, and the messages that it has not taken yet."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from etld.alerts import conditions as found
from etld.alerts.conditions import WEBHOOK, DaemonState
from etld.alerts.delivery import NotDelivered, Webhook
from etld.alerts.incidents import Folding, Incident
from etld.alerts.message import AlertMessage
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.config.sections.alerts import AlertSection
    from etld.worker import Worker

#: Messages that wait, at most: the oldest go, and are counted.
MOST_WAITING = 100
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0

log = logging.getLogger("etld.alerts")


class AlertChannel:
    """`saved` is what `state` gave before; `on_change` is called when that is another now."""

    def __init__(
        self, worker: Worker, alert: AlertSection, saved: Mapping[str, Any], on_change: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._alert = alert
        self._webhook = Webhook(worker.config, alert)
        self._folding = Folding(alert.after, alert.fold)
        self._on_change = on_change
        self._incidents = {key: Incident.restored(one) for key, one in saved.get("incidents", {}).items()}
        self._waiting = [AlertMessage.restored(one) for one in saved.get("waiting", ())]
        self._dropped: int = saved.get("dropped", 0)
        self._delivered_at: float | None = saved.get("delivered_at")
        self._problem: str | None = saved.get("problem")
        self._wake = asyncio.Event()
        self._tell()

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._alert.name

    def state(self) -> dict[str, Any]:
        """What is to outlive this process, and is shown in the console."""
        return {
            "incidents": {key: asdict(one) for key, one in self._incidents.items()},
            "waiting": [asdict(message) for message in self._waiting],
            "dropped": self._dropped,
            "delivered_at": self._delivered_at,
            "problem": self._problem,
        }

    def look(self, state: DaemonState) -> None:
        """See what is wrong now, and what of that is to be told."""
        seen = found.conditions(state, self._alert)
        incidents, news = self._folding.step(self._incidents, seen, time.time(), found.unknown(state))
        for one in news:
            self._put(AlertMessage.of(one, self._worker.config.node_id))
        if news or incidents != self._incidents:
            self._incidents = incidents
            self._on_change()

    async def deliver(self) -> None:
        """Bring what waits to the webhook, for ever; what it does not take is sent again later and later."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            message = self._waiting[0]
            try:
                await self._webhook.deliver(replace(message, dropped=self._dropped))
            except NotDelivered as error:
                self._worker.count("alert_failures", webhook=self.name)
                log.warning("the webhook %s was not told: %s", self.name, error)
                self._problem = str(error)
                self._tell()
                await asyncio.sleep(max(backoff.next(), error.pause))
                continue
            backoff.reset()
            self._worker.count("alerts_delivered", webhook=self.name)
            log.info("told the webhook %s: %s %s", self.name, message.name, message.what)
            self._waiting = [one for one in self._waiting if one is not message]
            self._dropped, self._delivered_at, self._problem = 0, time.time(), None
            self._tell()

    def _put(self, message: AlertMessage) -> None:
        """Let it wait. What was not told yet of the same thing is folded into it."""
        earlier = [one for one in self._waiting if one.key == message.key]
        folded = message.folded + sum(one.folded + 1 for one in earlier)
        waiting = [one for one in self._waiting if one.key != message.key]
        over = len(waiting) + 1 - MOST_WAITING
        if over > 0:
            waiting = waiting[over:]
            self._dropped += over
            self._worker.count("alerts_dropped", over, webhook=self.name)
        self._waiting = [*waiting, replace(message, folded=folded)]
        self._wake.set()
        self._tell()

    def _tell(self) -> None:
        """Have the daemon know how it is here."""
        waits = f"; messages that wait: {len(self._waiting)}" if self._waiting else ""
        self._worker.fault(WEBHOOK + self.name, None if self._problem is None else self._problem + waits)
        self._worker.gauge("alerts_waiting", len(self._waiting), webhook=self.name)
        self._on_change()
