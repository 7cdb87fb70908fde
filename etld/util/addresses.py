"""Addresses of clients: one spelling for each, the network that limits count, and the way through trusted proxies.

The address of a client is the last one on the way that is no trusted proxy's. What an untrusted one has written into
X-Forwarded-For or Forwarded (RFC 7239) is never reached.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Whoever has an IPv6 address has all those that agree in so many bits.
_SITE = 64
_MAPPED = 96
_CACHED = 4096
#: One parameter of a Forwarded header with what ends it: "for=192.0.2.1;", 'for="[2001:db8::1]:80",'.
_PARAMETER = re.compile(r'[ \t]*(?:([^\s=;,"]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*))?[ \t]*(;|,|\Z)')


@lru_cache(_CACHED)
def parsed(text: str) -> Address | None:
    """An address as it is written in headers and by sockets, without port, brackets and zone; None for anything else.

    An IPv4 address that is mapped into IPv6 is the IPv4 one.
    """
    text = text.strip(" \t")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def canonical(text: str) -> str:
    """The one spelling of an address; what is none stays as it is."""
    address = parsed(text)
    return text if address is None else str(address)


@lru_cache(_CACHED)
def site(text: str) -> str:
    """What limits count as one client: an IPv4 address, the /64 of an IPv6 address."""
    address = parsed(text)
    if not isinstance(address, IPv6Address):
        return canonical(text)
    return str(IPv6Network((address, _SITE), strict=False))


def is_loopback(text: str) -> bool:
    """Is it an address of this machine alone?"""
    address = parsed(text)
    return address is not None and address.is_loopback


def is_forwarded(headers: Container[str]) -> bool:
    """Does a request with these headers say that it came through a proxy?"""
    return any(name in headers for name in ("x-forwarded-for", "forwarded", "via"))


def check(names: Iterable[str]) -> list[str]:
    """What is wrong with the names of proxies."""
    return [
        f'expected an address or a network such as "10.0.0.0/8", got {name!r}'
        for name in names
        if _network(name) is None
    ]


def _network(name: str) -> Network | None:
    try:
        network = ip_network(name, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED))
    return network


class Proxies:
    """Addresses and networks ("10.0.0.0/8") whose headers are believed; raises ValueError, as `check` tells it."""

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        problems = check(names)
        if problems:
            raise ValueError("; ".join(problems))
        self._networks: tuple[Network, ...] = tuple(filter(None, map(_network, names)))
        self._cached = lru_cache(_CACHED)(self._client)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, peer: str) -> bool:
        """Is this one of them?"""
        return self._trusts(parsed(peer))

    def client(self, peer: str, headers: Container[str], values: Callable[[str], Iterable[str]]) -> str:
        """The address of the client that sent a request, when `peer` is who is connected.

        `headers` has the names of the request's headers in lower case, `values` gives all values of one.

        It is `peer` itself where the headers tell no address, and where X-Forwarded-For and Forwarded tell two: one of
        them is not the proxy's, which passed on what the client had written.
        """
        if not self._networks or ("x-forwarded-for" not in headers and "forwarded" not in headers):
            return peer
        return self._cached(peer, tuple(values("x-forwarded-for")), tuple(values("forwarded")))

    def _client(self, peer: str, x_forwarded_for: tuple[str, ...], forwarded: tuple[str, ...]) -> str:
        if not self._trusts(parsed(peer)):
            return peer
        ways = [_of_x_forwarded_for(x_forwarded_for), _of_forwarded(forwarded)]
        told = {self._last_untrusted(way, peer) for way in ways} - {""}
        return told.pop() if len(told) == 1 else peer

    def _last_untrusted(self, way: Sequence[str], peer: str) -> str:
        """Of addresses, the client's first; `peer` when it has no address, "" when all are proxies."""
        for hop in reversed(way):
            address = parsed(hop)
            if address is None:
                return peer
            if not self._trusts(address):
                return str(address)
        return ""

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _of_x_forwarded_for(lines: Iterable[str]) -> list[str]:
    """The hops that these lines list; a proxy may add one below the client's."""
    return [hop.strip(' \t"') for line in lines for hop in line.split(",") if hop.strip()]


def _of_forwarded(lines: Iterable[str]) -> list[str]:
    """The same of RFC 7239; "unknown" for a hop that does not say, and for all of a line that is not well-formed."""
    return [hop for line in lines for hop in _of_line(line)]


def _of_line(line: str) -> list[str]:
    hops: list[str] = []
    node, empty, at = "unknown", True, 0
    while True:
        parameter = _PARAMETER.match(line, at)
        if parameter is None:
            return ["unknown"]
        name, value, end = parameter.groups()
        if name is not None:
            empty = False
            if name.lower() == "for":
                node = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        at = parameter.end()
        if end != ";":
            if not empty:
                hops.append(node)
            node, empty = "unknown", True
            if not end:
                return hops
