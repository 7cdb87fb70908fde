"""The certificate of [ingest]: what shows it, what clients on this machine take for it, and when it ends."""

from __future__ import annotations

import os
import re
import ssl
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config.sections.ingest import IngestSection

#: Seconds before the end of a certificate from which on it is a fault.
_ENDS_SOON = 14 * 86_400
#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
_AT_ANY_TIME = 0x200000
#: How OpenSSL says that a key is not the certificate's: the last one when it is not even of its kind.
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
_FIRST = re.compile(r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL)


class CertificateProblem(EtldError):
    """A file is of no use; `key` is that of [ingest] which names it."""

    code = "ETLD-C012"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"ingest.{key}: {reason}")
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Certificate:
    """The one of `path`; `context` is for connections that are accepted, `ends` in seconds since the epoch."""

    path: Path
    context: ssl.SSLContext
    ends: float
    #: That everybody on this machine may read the private key, in words; "" when not.
    exposed: str

    def problem(self, now: float) -> str | None:
        """That it ends soon, or has ended."""
        left = self.ends - now
        if left > _ENDS_SOON:
            return None
        when = datetime.fromtimestamp(self.ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
        said = f"ends on {when}" if left > 0 else f"has ended on {when}: clients refuse it"
        return f"the certificate {self.path} {said}; put a new one in its place, then `etld reload`"


def load(ingest: IngestSection) -> Certificate | None:
    """Read the files now; None without TLS. Raises `CertificateProblem`."""
    certificate, key = ingest.tls_cert_file, ingest.tls_key_file
    if certificate is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    first = _first(certificate)
    mode = _load_pair(context, certificate, key)
    exposed = f"everybody may read {key}: `chmod o-r {key}`" if mode & stat.S_IROTH else ""
    return Certificate(certificate, context, _ends(context, first), exposed)


def client_context(certificate: Path | None, *, own: bool) -> ssl.SSLContext:
    """For a client on this machine, which may take the configured certificate; raises `CertificateProblem`.

    `own`: the address is that of this daemon, for which there may be no name in the certificate: it takes that very
    one, whatever its name, and no other. Else any that the system trusts is taken as well, and names count.
    """
    if certificate is None or not own:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
    if certificate is not None:
        _trust(context, _first(certificate))
    return context


def _trust(context: ssl.SSLContext, pem: str) -> None:
    """Take this certificate by itself, whoever signed it."""
    context.load_verify_locations(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _first(path: Path) -> str:
    """The server's own certificate: the first of the file, before those that signed it."""
    try:
        found = _FIRST.search(path.read_text(encoding="ascii", errors="replace"))
        if found is None:
            raise CertificateProblem("tls_cert_file", f"there is no certificate in {path} (PEM)")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found[0])
    except OSError as error:  # an SSLError is one
        reason = error.strerror or str(error)
        raise CertificateProblem("tls_cert_file", f"cannot read {path}: {reason}") from error
    return found[0]


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> int:
    """Load them; the mode of the key's file."""
    try:
        with key.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            reason = f"{key} is not the key of the certificate {certificate}"
        elif error.reason in (None, "PEM_LIB"):
            reason = f"there is no private key in {key} (PEM)"
        else:
            reason = f"{certificate} and {key} are of no use: {error.reason.lower().replace('_', ' ')}"
        raise CertificateProblem("tls_key_file", reason) from error
    except OSError as error:
        raise CertificateProblem("tls_key_file", f"cannot read {key}: {error.strerror}") from error
    except _HasPassword as error:
        raise CertificateProblem("tls_key_file", f"{key} has a password, and nobody is there to type it") from error
    return mode


class _HasPassword(Exception):
    """OpenSSL has asked for one."""


def _no_password() -> str:
    raise _HasPassword


def _ends(context: ssl.SSLContext, pem: str) -> float:
    """When it ends, as a client sees it that trusts it; raises `CertificateProblem` when none ever would."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    _trust(client, pem)
    client.verify_flags |= _AT_ANY_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server)
    other = context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(3):
            for side in (one, other):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise CertificateProblem("tls_cert_file", f"clients will refuse it: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise CertificateProblem("tls_cert_file", f"no connection comes of it: {error.reason or error}") from error
    shown: Any = one.getpeercert()
    return float(ssl.cert_time_to_seconds(shown["notAfter"]))
