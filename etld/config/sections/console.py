"""The web page of the daemon."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etld.config.sections.base import OptionalFile, Port, PositiveDuration, Section, Strings, quantity
from etld.util.ports import url


class ConsoleSection(Section):
    """A web page for people: what flows, what is broken, and what to do."""

    enabled: bool = Field(True, description="Serve it?")
    host: str = Field(
        "127.0.0.1", min_length=1, description="The address to listen on; any but a loopback one asks who comes."
    )
    port: Port = Field(8090, description="The port to listen on; 0 takes any free one.")
    users_file: OptionalFile = Field(
        None, description='Who may log in, with a role each: `etld console user add`; "" asks nobody to.'
    )
    tokens_file: OptionalFile = Field(
        None, description='Bearer tokens of programs, with a role each: `etld console token add`; "" for none.'
    )
    trusted_user_header: str = Field(
        "", description='Holds the name of who logged in at a proxy of trusted_proxies, such as "X-Remote-User".'
    )
    trusted_proxies: Strings = Field(
        (), description="Addresses and networks of proxies whose trusted_user_header and X-Forwarded-For are believed."
    )
    trusted_roles: dict[str, Literal["viewer", "operator", "admin"]] = Field(
        default_factory=dict, description='Name of who logged in at a proxy to role; "*" for all others.'
    )
    session_idle: PositiveDuration = quantity("30 min", "Who does nothing for so long has to log in again.")
    view_payloads: bool = Field(False, description="May viewers see what is in events? Operators always do.")
    tls_cert_file: OptionalFile = Field(
        None, description='The certificate and those that signed it (PEM), for HTTPS; "" means HTTP.'
    )
    tls_key_file: OptionalFile = Field(None, description="The certificate's private key (PEM), without a password.")

    def url(self, port: int | None = None) -> str:
        """Where a browser on this machine reaches it; `port` is the one that it has, where 0 is configured."""
        return url("http" if self.tls_cert_file is None else "https", self.host, port or self.port)
