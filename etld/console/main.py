"""The console worker: serves until told to stop. It touches nothing that events go through."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from etld.console import tls
from etld.console.app import Routes
from etld.console.frame import Console
from etld.console.history import EVERY
from etld.console.pages import PAGES
from etld.console.sources import Sources
from etld.errors import EtldError
from etld.postgres.errors import DatabaseError

if TYPE_CHECKING:
    from etld.console.measures import Measures
    from etld.worker import Worker

#: Seconds between two beats, and two tries to listen.
_TICK, _AGAIN = 0.25, 2.0
_FAULT = "console"

log = logging.getLogger("etld.console")


def run(worker: Worker) -> None:
    """Entry of the kind console."""
    asyncio.run(_run(worker))


async def _run(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(worker.fileno(), worker.receive)
    sources = Sources(worker)
    console = Console(sources, PAGES)
    routes = Routes(worker, console)
    runner = web.AppRunner(routes.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    looking = loop.create_task(_look(console, routes.measures))
    try:
        await _serve(worker, runner, console)
    finally:
        looking.cancel()
        routes.live.close()
        console.close()
        await runner.cleanup()
        sources.close()
        loop.remove_reader(worker.fileno())


async def _serve(worker: Worker, runner: web.AppRunner, console: Console) -> None:
    """Listen as soon as the port is free, and beat: events flow without a console too."""
    loop = asyncio.get_running_loop()
    next_try, listening = loop.time(), False
    while not worker.stopping:
        if not listening and loop.time() >= next_try:
            wrong = await _listen(worker, runner)
            listening, next_try = wrong is None, loop.time() + _AGAIN
            worker.fault(_FAULT, wrong)
            worker.ready()
        for name, file in (("users", console.guard.users), ("tokens", console.guard.tokens)):
            if file is not None:
                file.look()
                worker.fault(name, file.problem)
        worker.beat()
        await asyncio.sleep(_TICK)


async def _listen(worker: Worker, runner: web.AppRunner) -> str | None:
    """Why it is not possible; None when it is done."""
    section = worker.config.console
    port = int((worker.addresses.console or section.url()).rpartition(":")[2])
    try:
        site = web.TCPSite(runner, section.host, port, ssl_context=tls.load(section))
    except EtldError as error:
        return f"console.tls_cert_file: {error}"
    try:
        await site.start()
    except OSError as error:
        await site.stop()
        if error.errno == errno.EADDRINUSE:
            return f"{section.host}:{port} is in use by another program: stop that program, or set console.port"
        return f"cannot listen on {section.host}:{port}: {error.strerror or error}"
    log.info("the console is at %s", worker.addresses.console)
    return None


async def _look(console: Console, measures: Measures) -> None:
    """Keep what the daemon did in the last minutes; first, end what a console before this one has begun."""
    history, lost = console.sources.history, True
    while True:
        if lost:
            with contextlib.suppress(DatabaseError):
                await console.in_thread(console.actions.end_lost)
                lost = False
        measures.look()
        if console.guard.tokens is not None:
            with contextlib.suppress(OSError):
                console.guard.tokens.write_uses()
        with contextlib.suppress(EtldError):
            status = await console.in_thread(console.sources.status)
            history.add(status)
            if history.latency_wanted:
                metrics = await console.in_thread(console.sources.ask, "metrics")
                history.add_latencies(metrics["text"])
        await asyncio.sleep(EVERY)
