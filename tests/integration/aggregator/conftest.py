"""A connection to a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etld.postgres.connections import Connection, connect


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """In autocommit mode."""
    with connect(database, application_name="etld test") as connection:
        yield connection
