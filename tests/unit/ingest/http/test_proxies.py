"""Which address a request comes from."""

from __future__ import annotations

import pytest

from etld.errors import ConfigError
from etld.ingest.http.proxies import Proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.9", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "1.2.3.4, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("10.0.0.9", "1.2.3.4, unknown", "10.0.0.9"),
        ("10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("", "1.2.3.4", ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, expected: str) -> None:
    assert Proxies(("10.0.0.0/8", "::1")).client(peer, forwarded) == expected


def test_proxies_are_networks() -> None:
    with pytest.raises(ConfigError, match="got 'proxy'"):
        Proxies(("10.0.0.1", "proxy"))
    assert not Proxies(())
