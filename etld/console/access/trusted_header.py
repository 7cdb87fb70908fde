"""Who has logged in at a proxy in front of the console, which says so in a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.console.access.users import NAME, User
from etld.util.addresses import Proxies

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from etld.config.sections.console import ConsoleSection
    from etld.console.access.users import Role

#: In trusted_roles: whoever is not named.
OTHERS = "*"


class NoRole(Exception):
    """The proxy says who it is, and nobody has given that one a role."""


class TrustedHeader:
    """The header is believed from trusted proxies alone: whatever others send in it is as if it were not there."""

    def __init__(self, console: ConsoleSection) -> None:
        self.name = console.trusted_user_header
        self._roles = console.trusted_roles
        self._proxies = Proxies(console.trusted_proxies)

    @property
    def on(self) -> bool:
        """Is there such a header?"""
        return self.name != ""

    def client(self, peer: str, headers: CIMultiDictProxy[str]) -> str:
        """The address of who sent a request, when `peer` is who is connected."""
        return self._proxies.client(peer, headers, lambda name: headers.getall(name, []))

    def user(self, peer: str, values: list[str]) -> User | None:
        """Who comes, by the values of the header; None when `peer` does not say. Raises `NoRole`."""
        if not self.on or not values or not self._proxies.trusts(peer):
            return None
        name = values[0].strip()
        role = self.role(name)
        # Two lines are the proxy's and the client's own.
        if len(values) > 1 or not NAME.fullmatch(name) or role is None:
            raise NoRole(name)
        return User(name, role)

    def role(self, name: str) -> Role | None:
        """The role of this name."""
        return self._roles.get(name) or self._roles.get(OTHERS)

    def knows(self, user: User) -> bool:
        """Would this one come with this role?"""
        return self.on and not user.digest and self.role(user.name) == user.role
