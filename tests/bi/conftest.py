"""These run by `make test-bi`: they install Superset and dbt into the user's cache, and take minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is in this folder, unless it is asked for."""
    if os.environ.get("ETLD_TEST_BI"):
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason="needs Superset and dbt: make test-bi"))
