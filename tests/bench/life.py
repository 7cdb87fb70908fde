"""How soon things go on: a killed processor, a restarted daemon."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from bench.client import drive, request
from bench.environment import Environment, open_database
from bench.front import _plain
from bench.result import Result
from support.waiting import wait_until


def recovery(environment: Environment, name: str) -> Result:
    """Kill -9 of a processor under load, to the first row stored after it, in seconds."""
    database = environment.database()
    values = []
    config = environment.config(database, **{"ingest.workers": 1, "event_types.purchase.workers": 1})
    with environment.daemon(config) as daemon, open_database(database) as conn:
        stop = threading.Event()

        def stream() -> Iterator[Any]:
            index = 0
            while not stop.is_set():
                one = _plain(index) | {"event_id": str(uuid.uuid4())}
                index += 1
                yield request("/track", json.dumps(one).encode())

        def rows() -> int:
            row = conn.execute("SELECT count(*) FROM processed_events").fetchone()
            return int(row[0]) if row else 0

        sender = threading.Thread(target=drive, args=(daemon.http, stream(), 4), kwargs={"rate": 500.0})
        sender.start()
        try:
            for _ in range(environment.pairs):
                wait_until(lambda: rows() > 0, 30, "rows come")
                pid = daemon.workers()["processor-purchase-0"]["pid"]
                os.kill(pid, signal.SIGKILL)
                began = time.monotonic()
                before = rows()
                wait_until(lambda before=before: rows() > before, 60, "rows come again", 0.01)
                values.append(time.monotonic() - began)
                time.sleep(6.0)
        finally:
            stop.set()
            sender.join()
    return Result(name, "s", values)


def restart(environment: Environment, name: str) -> Result:
    """`etld stop` and `etld start` of the default workers with external servers, to ready, in seconds."""
    roles = {f"event_types.{kind}.workers": 1 for kind in ("purchase", "order", "delivery")}
    roles |= {"ingest.workers": 1, "aggregator.workers": 1, "corrector.workers": 1}
    values = []
    with environment.daemon(environment.config(environment.database(), **roles)) as daemon:
        for _ in range(environment.pairs):
            began = time.monotonic()
            daemon.etld("stop")
            daemon.etld("start")
            values.append(time.monotonic() - began)
    return Result(name, "s", values)


BENCHES = {"recovery": recovery, "restart": restart}
