"""The certificate of [console]."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.config.sections.console import ConsoleSection


def load(console: ConsoleSection) -> ssl.SSLContext | None:
    """Read the files now; None without TLS. Raises `EtldError`."""
    certificate, key = console.tls_cert_file, console.tls_key_file
    if certificate is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _PasswordAsked:
        raise EtldError(f"{key} has a password, and nobody is there to type it", code="ETLD-C012") from None
    except OSError as error:  # an SSLError is one
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise EtldError(f"{certificate} and {key} are of no use together: {why}", code="ETLD-C012") from None
    return context


class _PasswordAsked(Exception):
    """OpenSSL has asked for one."""


def _no_password() -> str:
    raise _PasswordAsked
