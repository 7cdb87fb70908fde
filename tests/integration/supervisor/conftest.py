"""The helpers of these tests lie beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from collections.abc import Iterator

import pytest
from world import World, world


@pytest.fixture
def etld(tmp_path: Path) -> Iterator[World]:
    """A daemon of toys that is not started yet; ended after the test."""
    with world(tmp_path) as there:
        yield there
