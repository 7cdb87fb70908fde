"""Producers that can never send again. Apart from the other tests: their shared worker must not see the patch."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError

from etld.errors import EtldError
from etld.ingest.producer_thread import PendingRequest, ProducerThread
from etld.ingest.producers import Producers
from support.ingest import Start


def test_a_producer_that_cannot_go_on_ends_its_process(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fatal errors of librdkafka last as long as the producer does: a new process makes a new one."""
    monkeypatch.setattr(Producers, "broken", property(lambda _: "fenced"))
    with pytest.raises(EtldError, match="fenced"):
        start()


class Silent(PendingRequest):
    """A request that nobody waits for."""

    def finish(self, late: bool) -> None:
        """No answer."""


def test_a_fatal_error_breaks_the_producer(kafka: str) -> None:
    async def broken() -> tuple[str, str]:
        producer = ProducerThread(asyncio.get_running_loop(), {"bootstrap.servers": kafka}, ["dead_letter_queue"], 5.0)
        told = []
        for fatal in (False, True):
            error = KafkaError(KafkaError._MSG_TIMED_OUT, "too late", fatal)
            Silent(producer, 1, 0.0).delivered(error, SimpleNamespace(key=lambda: b"k"))
            told.append(producer.broken)
        await producer.close(1.0)
        return told[0], told[1]

    before, after = asyncio.run(broken())
    assert not before
    assert "too late" in after
