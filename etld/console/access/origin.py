"""Where a request comes from: other sites may neither read the console (DNS rebinding) nor send its forms (CSRF)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN_SITE = ("same-origin", "none")


def is_loopback(host: str) -> bool:
    """Is a name or an address one of this machine alone?"""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host of a Host header, in lower case and without its port; "" for what is no host."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def foreign_host(headers: Mapping[str, str]) -> bool:
    """Was the console asked by a name that is none of this machine's own?"""
    return not is_loopback(host_of(headers.get("Host", "")))


def foreign_sender(headers: Mapping[str, str]) -> bool:
    """Does the browser say that another site sends this request?"""
    origin = headers.get("Origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc.lower() != headers.get("Host", "").lower()
        except ValueError:
            return True
    return headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE
