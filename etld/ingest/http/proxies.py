"""The client's address behind proxies that are named as trusted."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from etld.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


class Proxies:
    """Addresses and networks ("10.0.0.0/8") whose X-Forwarded-For is believed; raises `ConfigError`."""

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        problems = check(names)
        if problems:
            raise ConfigError([Problem("ingest.trusted_proxies", 0, message) for message in problems])
        self._networks = tuple(ip_network(name, strict=False) for name in names)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The last address on the way that is no trusted proxy's; `peer` when the header tells none."""
        if not self._trusts(peer):
            return peer
        for hop in reversed(forwarded_for.split(",")):
            address = hop.strip()
            if address and not self._trusts(address):
                return address if _is_address(address) else peer
        return peer

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def check(names: Iterable[str]) -> list[str]:
    """What is wrong with the names of proxies."""
    problems = []
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            problems.append(f'expected an address or a network such as "10.0.0.0/8", got {name!r}')
    return problems


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
