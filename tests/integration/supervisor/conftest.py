"""A daemon of fake workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_workers_daemon import FakeWorkersDaemon, prepared


@pytest.fixture
def etld(tmp_path: Path) -> Iterator[FakeWorkersDaemon]:
    """A daemon of fake workers that is not started yet; ended after the test."""
    with prepared(tmp_path) as daemon:
        yield daemon
