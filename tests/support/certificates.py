"""Certificates for a test, made by the openssl program."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etld.util.ports import LOOPBACK


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, PEM each."""

    certificate: Path
    key: Path

    def replace_with(self, other: Pair) -> None:
        """Write the other's contents into the files of this one."""
        self.certificate.write_bytes(other.certificate.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


def make(
    directory: Path,
    name: str = "localhost",
    *options: str,
    days: int = 365,
    rsa: bool = False,
    addresses: Sequence[str] = (LOOPBACK,),
    signed_by: Pair | None = None,
) -> Pair:
    """One for this host name and these addresses, in files that are named after it.

    It is signed by itself, unless by another.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    signer = () if signed_by is None else ("-CA", str(signed_by.certificate), "-CAkey", str(signed_by.key))
    names = ",".join([f"DNS:{name}", *(f"IP:{address}" for address in addresses)])
    run(
        *("req", "-x509", "-newkey", *kind, "-nodes", "-days", str(days)),
        *("-keyout", str(pair.key), "-out", str(pair.certificate), "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName={names}", *signer, *options),
    )
    pair.key.chmod(0o600)
    return pair


def run(*arguments: str) -> None:
    """`openssl …`."""
    done = subprocess.run(["openssl", *arguments], check=False, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
