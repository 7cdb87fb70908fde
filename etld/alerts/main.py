"""The alerts worker: looks at the daemon once a second, and tells webhooks. Nothing waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from etld.alerts import saved
from etld.alerts.channel import AlertChannel
from etld.alerts.conditions import DaemonState
from etld.control.client import ControlConnection
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.worker import Worker

#: Seconds between two looks, between two beats, and for an answer of the daemon.
_EVERY, _TICK, _ANSWER = 1.0, 0.25, 5.0

log = logging.getLogger("etld.alerts")


def run(worker: Worker) -> None:
    """Entry of the kind alerts."""
    asyncio.run(_run(worker))


async def _run(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(worker.fileno(), worker.receive)
    path = worker.config.alerts_path
    before = saved.read(path)
    changed = asyncio.Event()
    alerts = worker.config.alerts
    channels = [AlertChannel(worker, alert, before.get(alert.name, {}), changed.set) for alert in alerts]
    tasks = [loop.create_task(channel.deliver()) for channel in channels]
    tasks.append(loop.create_task(_look(worker, channels)))
    worker.ready()
    try:
        while not worker.stopping:
            if changed.is_set():
                changed.clear()
                _save(path, channels)
            for task in tasks:
                if task.done():
                    task.result()  # a mistake in the code: it is in the log, and the worker begins anew
            worker.beat()
            await asyncio.sleep(_TICK)
    finally:
        for task in tasks:
            task.cancel()
        _save(path, channels)
        loop.remove_reader(worker.fileno())


def _save(path: Path, channels: list[AlertChannel]) -> None:
    try:
        saved.write(path, {channel.name: channel.state() for channel in channels})
    except OSError as error:
        log.warning("cannot write %s: %s; after a restart webhooks are told again", path, error.strerror)


async def _look(worker: Worker, channels: list[AlertChannel]) -> None:
    while True:
        with contextlib.suppress(EtldError):  # the supervisor begins anew, or ends
            state = await asyncio.to_thread(_ask, Path(worker.addresses.control))
            if state.settled:
                for channel in channels:
                    channel.look(state)
        await asyncio.sleep(_EVERY)


def _ask(socket: Path) -> DaemonState:
    with ControlConnection(socket, _ANSWER) as connection:
        return DaemonState(connection.ask("status"), connection.ask("health"))
