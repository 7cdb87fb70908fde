"""An open breaker, and the word of a person."""

from __future__ import annotations

import time
from pathlib import Path

from etld import config
from etld.processor.handler import ProcessorHandler
from etld.worker import Addresses
from etld.worker.testing import LocalWorker

ROOT = Path(__file__).resolve().parents[3]


def test_a_resume_closes_the_breaker_without_a_pause_before_it() -> None:
    """As its alarm says."""
    settings = config.load(ROOT / "config" / "etld.toml", {})
    addresses = Addresses(http="", kafka="127.0.0.1:9", postgres="", schema_registry="embedded", control="")
    worker = LocalWorker(settings, "processor", "processor-purchase-0", addresses, event_type="purchase")
    handler = ProcessorHandler(worker)
    assert handler.blocked_by() is None
    assert handler._breaker.record(1000, 1000, time.monotonic())
    assert handler.blocked_by() == "the breaker is open"
    worker.resume()
    worker.receive()
    assert handler.blocked_by() is None
