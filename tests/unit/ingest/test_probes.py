"""/metrics, however many ask at once: the supervisor is asked for the first, and whoever waits has the same answer."""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.config import load
from etld.ingest.http.answers import Answer
from etld.ingest.probes import Probes
from etld.worker import Addresses
from etld.worker.channel import pack
from etld.worker.testing import LocalWorker

ROOT = Path(__file__).resolve().parents[3]


class Client:
    """A connection with a request in hand."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    @property
    def status(self) -> int:
        (answer,) = self.answers
        return answer.status


class Scraped:
    """The probes of a worker whose supervisor is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.worker = LocalWorker(
            load(ROOT / "config" / "etld.toml"), "ingest", "i", Addresses("", "", None, "", "sock")
        )
        runtime: Any = SimpleNamespace(worker=self.worker)
        self.probes = Probes(runtime, lambda: None)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def scrape(self) -> Client:
        client: Any = Client()
        self.probes.metrics(client, client)
        return client  # type: ignore[no-any-return]

    def tell(self, text: bytes) -> None:
        self.worker.post({"type": "metrics", "text": pack(zlib.compress(text)), "fresh": 0.7})
        self.worker.receive()

    @property
    def asked(self) -> int:
        return self.worker.messages.count({"type": "metrics"})


def test_whoever_waits_has_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    scraped = Scraped(monkeypatch)
    clients = [scraped.scrape() for _ in range(200)]
    assert scraped.asked == 1
    assert not any(client.answers for client in clients)
    scraped.tell(b"x 1\n")
    scraped.now += 0.6
    clients += [scraped.scrape() for _ in range(20)]
    assert {client.answers[0].body for client in clients} == {b"x 1\n"}
    assert {client.status for client in clients} == {200}
    assert scraped.asked == 1
    scraped.now += 0.2
    late = scraped.scrape()
    assert (scraped.asked, late.answers) == (2, [])
    scraped.tell(b"x 2\n")
    assert late.answers[0].body == b"x 2\n"


def test_a_flood_waits_for_the_next_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    scraped = Scraped(monkeypatch)
    scraped.scrape()
    scraped.tell(b"x 1\n")
    flood = [scraped.scrape() for _ in range(200)]
    assert sum(len(client.answers) for client in flood) == 20
    scraped.probes.tick()
    assert scraped.asked == 1, "not before the numbers are old"
    scraped.now += 0.8
    scraped.probes.tick()
    scraped.probes.tick()
    assert scraped.asked == 2
    scraped.tell(b"x 2\n")
    assert [client.answers[0].body for client in flood] == [b"x 1\n"] * 20 + [b"x 2\n"] * 180


def test_a_supervisor_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old numbers would mislead. It is asked again, for it may be a new one."""
    scraped = Scraped(monkeypatch)
    first = scraped.scrape()
    scraped.now += 4.0
    second = scraped.scrape()
    scraped.now += 2.0
    scraped.probes.tick()
    assert first.status == 503
    assert (scraped.asked, second.answers) == (2, []), "again, for who still waits"
    third = scraped.scrape()
    assert scraped.asked == 2
    scraped.tell(b"x 1\n")
    assert (second.status, third.status) == (200, 200)
