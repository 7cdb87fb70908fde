"""Keep-alive clients that go on sending while the daemon is changed under them, and miss no answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter
from typing import Any, Self
from uuid import uuid4

from support.events import event


class Clients:
    """`count` connections, each with one request at a time, made anew when an answer says `Connection: close`."""

    def __init__(self, port: int, count: int, pause: float = 0.02) -> None:
        self.statuses: Counter[int] = Counter()
        self.accepted: set[str] = set()
        #: Requests that were sent whole and got no answer: there must be none.
        self.unanswered: list[str] = []
        #: Connections that nobody took, as when the daemon has stopped.
        self.refused = 0
        self._port = port
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def answers(self) -> int:
        return self.statuses.total()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            if connection.sock is None:
                try:
                    connection.connect()
                except OSError:
                    self.refused += 1
                    self._stop.wait(0.2)
                    continue
            self._send(connection)
            self._stop.wait(self._pause)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection) -> None:
        own = str(uuid4())
        try:
            connection.request("POST", "/track", json.dumps(event(event_id=own)))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            with self._lock:
                self.unanswered.append(f"{own}: {error!r}")
            return
        with self._lock:
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.accepted.add(own)


def post(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """(status, document); tries again for a minute while the daemon says 503 or takes no connection."""
    for attempt in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, body, headers or {})
                answer = connection.getresponse()
                document = json.loads(answer.read())
            except OSError:
                if attempt == 299:
                    raise
            else:
                if answer.status != 503 or attempt == 299:
                    return answer.status, document
        threading.Event().wait(0.2)
    raise AssertionError("unreachable")
