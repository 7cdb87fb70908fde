"""The event types that the rules' tests know."""

from __future__ import annotations

import pytest

from support.fake_catalog import FakeTypes


@pytest.fixture
def types() -> FakeTypes:
    """The event types of these tests."""
    return FakeTypes()
