"""Who may log in: a TOML file with one table a user, which holds a hash of the password and never the password.

    [alice]
    role = "operator"            # viewer, operator or admin
    scrypt = "14:8:1:SALT:HASH"  # log2 n, r, p of RFC 7914, and two texts in base64

Made by `etld console user add`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from etld.config import toml
from etld.console.access.watched_file import WatchedFile
from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path

Role = Literal["viewer", "operator", "admin"]
#: Each may do what those before it may.
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
SHORTEST = 8

_LOG_N, _R, _P = 14, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
# What a hash of the file may ask for: 128 · n · r bytes.
_MOST_MEMORY = 64 << 20
_FIELDS = ("role", "scrypt")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody at the console; `digest` is empty for who need not log in."""

    name: str
    role: Role
    digest: str = ""

    def may(self, role: Role) -> bool:
        """Has this one the role, or a higher one?"""
        return ROLES.index(self.role) >= ROLES.index(role)

    def table(self) -> dict[str, Any]:
        """Itself in the file."""
        return {"role": self.role, "scrypt": self.digest}


#: Whoever can reach a console that asks nobody to log in.
LOCAL = User("local", "admin")


def digest(password: str) -> str:
    """What the file holds of a password."""
    salt = os.urandom(_SALT_BYTES)
    made = _scrypt(password, _LOG_N, _R, _P, salt)
    return ":".join((str(_LOG_N), str(_R), str(_P), _text(salt), _text(made)))


@cache
def _nobody() -> str:
    """Compared with where there is no such user, so that the time of an answer tells nothing."""
    return digest("")


def matches(password: str, user: User | None) -> bool:
    """Is it the user's password? Takes its time, for a user who is none too."""
    log_n, r, p, salt, made = _parts((user.digest if user else "") or _nobody())
    right = hmac.compare_digest(_scrypt(password, log_n, r, p, salt), made)
    return right and user is not None and user.digest != ""


def read(path: Path) -> dict[str, User]:
    """The users of a file by name; raises `EtldError` that names the file."""
    return {name: _user(path, name, table) for name, table in tables_of(path).items()}


def tables_of(path: Path) -> dict[str, Any]:
    """A TOML file; raises `EtldError` that names it."""
    try:
        return toml.loads(path.read_text("utf-8"))
    except toml.TomlMistake as error:
        raise EtldError(f"{path} is not TOML: {error}", code="ETLD-U001") from None
    except (OSError, UnicodeDecodeError) as error:
        raise EtldError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", code="ETLD-U001") from None


def _user(path: Path, name: str, table: Any) -> User:
    if not NAME.fullmatch(name):
        raise EtldError(f"{path}: {name!r} is no name of a user", code="ETLD-U001")
    if not isinstance(table, dict) or sorted(table) != sorted(_FIELDS):
        raise EtldError(
            f"{path}: expected role and scrypt in [{name}], as `etld console user add` writes them", code="ETLD-U001"
        )
    if table["role"] not in ROLES:
        raise EtldError(f"{path}: [{name}] role: expected {', '.join(ROLES)}, got {table['role']!r}", code="ETLD-U001")
    try:
        _parts(table["scrypt"])
    except (ValueError, AttributeError, binascii.Error):
        raise EtldError(
            f"{path}: [{name}] scrypt: expected what `etld console user add` writes", code="ETLD-U001"
        ) from None
    return User(name, table["role"], table["scrypt"])


def _parts(text: str) -> tuple[int, int, int, bytes, bytes]:
    log_n, r, p, salt, made = text.split(":")
    numbers = int(log_n), int(r), int(p)
    if min(numbers) < 1 or numbers[0] > 20 or numbers[2] > 16 or (128 << numbers[0]) * numbers[1] > _MOST_MEMORY:
        raise ValueError(text)
    return *numbers, base64.b64decode(salt, validate=True), base64.b64decode(made, validate=True)


def _scrypt(password: str, log_n: int, r: int, p: int, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=1 << log_n, r=r, p=p, dklen=_HASH_BYTES, maxmem=_MOST_MEMORY * 2
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class UsersFile(WatchedFile[User]):
    """The users of a file, read anew when it has changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read, "nobody can log in")
