"""Which address a request comes from, and which addresses are one client."""

from __future__ import annotations

import pytest

from etld.ingest.http.request import HttpRequest
from etld.util import addresses
from etld.util.addresses import Proxies, canonical, is_loopback, site


def through(peer: str, *headers: tuple[str, str]) -> str:
    """The client of a request with these headers that `peer` has sent."""
    request = HttpRequest("POST", "/track", "1.1", {}, close=False)
    repeated = []
    for name, value in headers:
        if name in request.headers:
            repeated.append((name, value))
        else:
            request.headers[name] = value
    request.repeated = repeated
    proxies = Proxies(("10.0.0.0/8", "::1", "192.0.2.1", "2001:db8:1::/48", "::ffff:172.16.0.0/108"))
    return proxies.client(peer, request.headers, request.all)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:7f00:1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (" 10.0.0.1\t", "10.0.0.1"),
        ("", ""),
        ("unknown", "unknown"),
        ("_hidden:80", "_hidden:80"),
        ("[2001:db8::1", "[2001:db8::1"),
        ("[2001:db8::1]x", "[2001:db8::1]x"),
        ("010.0.0.1", "010.0.0.1"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_limits_count_an_ipv6_address_by_its_site(text: str, expected: str) -> None:
    assert site(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("::", False), ("", False)],
)
def test_loopback(text: str, expected: bool) -> None:
    assert is_loopback(text) == expected


@pytest.mark.parametrize(
    ("peer", "way", "expected"),
    [
        ("10.0.0.9", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "1.2.3.4, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        ("10.0.0.9", "1.2.3.4,203.0.113.5 ,192.0.2.1,172.16.3.4,10.1.1.1", "203.0.113.5"),
        ("10.0.0.9", "203.0.113.5:4711", "203.0.113.5"),
        ("10.0.0.9", "203.0.113.5:4711, 10.1.1.1:80", "203.0.113.5"),
        ("10.0.0.9", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.9", '"[2001:db8::7]"', "2001:db8::7"),
        ("10.0.0.9", "2001:DB8:0::7", "2001:db8::7"),
        ("10.0.0.9", "2001:db8::7, 2001:db8:1:2::3", "2001:db8::7"),
        ("10.0.0.9", "::ffff:203.0.113.5", "203.0.113.5"),
        ("::ffff:10.0.0.9", "203.0.113.5", "203.0.113.5"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("10.0.0.9", " , ", "10.0.0.9"),
        ("10.0.0.9", "1.2.3.4, unknown", "10.0.0.9"),
        ("10.0.0.9", "1.2.3.4, _hidden, 10.1.1.1", "10.0.0.9"),
        ("10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("", "1.2.3.4", ""),
    ],
)
def test_x_forwarded_for(peer: str, way: str, expected: str) -> None:
    assert through(peer, ("x-forwarded-for", way)) == expected


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("for=203.0.113.5", "203.0.113.5"),
        ("For=203.0.113.5;proto=https;by=10.0.0.9", "203.0.113.5"),
        ('proto=https ; for="203.0.113.5:4711" ; host="a,b;c"', "203.0.113.5"),
        ('for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for="[2001:DB8::7]"', "2001:db8::7"),
        ("for=[2001:db8::7]:4711", "2001:db8::7"),
        ("for=203.0.113.5:80", "203.0.113.5"),
        ("for=1.2.3.4, for=203.0.113.5, for=10.1.1.1", "203.0.113.5"),
        ("for=1.2.3.4, for=203.0.113.5,, for=10.1.1.1,", "203.0.113.5"),
        (r'for="203.0.113\.5"', "203.0.113.5"),
        ("for=1.2.3.4, for=unknown", "10.0.0.9"),
        ("for=1.2.3.4, for=_secret, for=10.1.1.1", "10.0.0.9"),
        ("for=1.2.3.4, proto=https", "10.0.0.9"),
        ('for="1.2.3.4, for=203.0.113.5', "10.0.0.9"),
        ('for="1.2.3.4, for="[2001:db8::7]:4711"', "10.0.0.9"),
        ("1.2.3.4", "10.0.0.9"),
        ("for=", "10.0.0.9"),
        ("", "10.0.0.9"),
        ("for=10.0.0.1", "10.0.0.9"),
    ],
)
def test_forwarded(way: str, expected: str) -> None:
    assert through("10.0.0.9", ("forwarded", way)) == expected
    assert through("203.0.113.9", ("forwarded", way)) == "203.0.113.9"


def test_a_proxy_may_add_a_line_below_the_clients() -> None:
    for name, form in (("x-forwarded-for", "{}"), ("forwarded", "for={}")):
        lines = [(name, form.format(hop)) for hop in ("1.2.3.4", "203.0.113.5", "10.1.1.1")]
        assert through("10.0.0.9", *lines) == "203.0.113.5"
    assert through("10.0.0.9", ("forwarded", 'for="'), ("forwarded", "for=203.0.113.5")) == "203.0.113.5"


@pytest.mark.parametrize(
    ("x_forwarded_for", "forwarded", "expected"),
    [
        ("203.0.113.5", "for=203.0.113.5;proto=https", "203.0.113.5"),
        ("203.0.113.5, 10.1.1.1", "for=10.1.1.1", "203.0.113.5"),
        ("203.0.113.5", "for=1.2.3.4", "10.0.0.9"),
        ("1.2.3.4", "for=203.0.113.5", "10.0.0.9"),
        ("203.0.113.5", "for=unknown", "10.0.0.9"),
        ("203.0.113.5", 'for="', "10.0.0.9"),
    ],
)
def test_what_one_header_says_against_the_other_is_believed_of_neither(
    x_forwarded_for: str, forwarded: str, expected: str
) -> None:
    assert through("10.0.0.9", ("x-forwarded-for", x_forwarded_for), ("forwarded", forwarded)) == expected


def test_proxies_are_networks() -> None:
    with pytest.raises(ValueError, match="got 'proxy'"):
        Proxies(("10.0.0.1", "proxy"))
    assert not Proxies(())
    assert addresses.check(["10.0.0.1/8", "::1", "::ffff:10.0.0.0/104", "", "10.0.0.0/33"]) == [
        "expected an address or a network such as \"10.0.0.0/8\", got ''",
        "expected an address or a network such as \"10.0.0.0/8\", got '10.0.0.0/33'",
    ]
