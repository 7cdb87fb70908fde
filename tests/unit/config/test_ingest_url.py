"""Where clients on this machine reach ingest."""

from __future__ import annotations

import pytest

from etld.config.sections.ingest import IngestSection


@pytest.mark.parametrize(
    ("given", "port", "url"),
    [
        ({}, None, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 0}, 4711, "http://127.0.0.1:4711"),
        ({"host": "::"}, None, "http://[::1]:8080"),
        ({"host": "2001:db8::1"}, None, "http://[2001:db8::1]:8080"),
        ({"host": "in.example", "tls_cert_file": "a", "tls_key_file": "b"}, None, "https://in.example:8080"),
    ],
)
def test_the_address(given: dict[str, object], port: int | None, url: str) -> None:
    """With the scheme that is spoken there."""
    assert IngestSection.model_validate(given).url(port) == url
