"""The key under which subjects are hashed: a file of the state directory, for nobody else's eyes."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.erasure.subject import named
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BYTES = 32


class ErasureKeyProblem(EtldError):
    """The key is missing, unreadable, or not the one that an erasure was made with."""

    code = "ETLD-F001"


@dataclass(frozen=True, slots=True)
class ErasureKey:
    """The key; `fingerprint` tells it from others without telling what it is."""

    secret: bytes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(b"etld erasure key " + self.secret).hexdigest()[:16]

    def hashed(self, fields: Sequence[str], values: Sequence[str]) -> bytes:
        """HMAC-SHA256 of a subject."""
        return hmac.digest(self.secret, named(fields, values), "sha256")


def read(path: Path) -> ErasureKey:
    """The key in a file; raises `ErasureKeyProblem`."""
    try:
        text = path.read_text("ascii").strip()
        secret = bytes.fromhex(text)
    except FileNotFoundError:
        raise ErasureKeyProblem(
            f"the key of erasures {path} is missing: copy it from the host where `etld forget` was run"
            " (storage.erasure_key_file)"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what etld wrote"
        raise ErasureKeyProblem(f"cannot read the key of erasures {path}: {reason}") from None
    if len(secret) != _BYTES:
        raise ErasureKeyProblem(f"the key of erasures {path} is cut short")
    return ErasureKey(secret)


def make(path: Path) -> ErasureKey:
    """The key in a file, which is made when it is missing; raises `ErasureKeyProblem`.

    It belongs to whom its directory belongs to, so that a daemon can read what root has made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(_BYTES) + "\n")
                owner = path.parent.stat()
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # never over one that another process has made meanwhile
        finally:
            draft.unlink()
    except OSError as error:
        raise ErasureKeyProblem(f"cannot make the key of erasures {path}: {error.strerror}") from None
    return read(path)
