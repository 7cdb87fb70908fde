"""Passwords in DSNs."""

from __future__ import annotations

import pytest

from etld.config.secrets import split


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://etld@db/etld", "postgresql://etld@db/etld"),
        ("postgresql://etld:s3cr%40t@db:5433/etld?x=1", "postgresql://etld@db:5433/etld?x=1"),
        ("host=db dbname=etld", "host=db dbname=etld"),
        ("host=db password='s3cr\\@t' dbname=etld", "host=db dbname=etld"),
        ("postgresql://etld@db/etld?x=1&password=s3cr%40t", "postgresql://etld@db/etld?x=1"),
        ("postgresql://etld@db/etld?password=s3cr%40t&x=1", "postgresql://etld@db/etld?x=1"),
    ],
)
def test_no_password_is_printed(dsn: str, shown: str) -> None:
    """It is taken out, and given to who connects."""
    assert split(dsn) == (shown, "s3cr@t" if "s3cr" in dsn else None)
