"""Ingest workers, started on demand."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from support.ingest import Ingest, Start, running


@pytest.fixture
def start(kafka: str, tmp_path: Path) -> Iterator[Start]:
    """Starts workers with settings of the test's own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(kafka, tmp_path / uuid4().hex[:6], **settings))


@pytest.fixture(scope="module")
def ingest(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """A worker with the default settings, shared by a module."""
    with running(kafka, tmp_path_factory.mktemp("ingest")) as made:
        yield made


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No request may end in a traceback in the log."""
    with caplog.at_level(logging.WARNING, "etld.ingest"):
        yield
    assert not [record for record in caplog.records if record.exc_info]
