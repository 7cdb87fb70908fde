"""The web page of the daemon."""

from __future__ import annotations

from pydantic import Field

from etld.config.sections.base import OptionalFile, Port, PositiveDuration, Section, quantity
from etld.util.ports import url


class ConsoleSection(Section):
    """A web page for people: what flows, what is broken, and what to do."""

    enabled: bool = Field(True, description="Serve it?")
    host: str = Field(
        "127.0.0.1", min_length=1, description="The address to listen on; any but a loopback one needs users_file."
    )
    port: Port = Field(8090, description="The port to listen on; 0 takes any free one.")
    users_file: OptionalFile = Field(
        None, description='Who may log in, with a role each: `etld console user add`; "" asks nobody to.'
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
