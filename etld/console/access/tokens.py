"""Bearer tokens of programs: a TOML file with one table a token, which holds its hash and never itself.

    [dashboard]
    role = "viewer"                     # viewer, operator or admin
    sha256 = "9f86d081884c7d65..."      # of the token, which nobody can guess: it has 256 random bits
    expires = 2027-01-31T12:00:00Z      # left out: never

Made by `etld console token add`. When each was used last is in another file, which the console writes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etld.console.access.users import NAME, ROLES, Role, User, tables_of
from etld.console.access.watched_file import WatchedFile
from etld.errors import EtldError
from etld.util.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

#: Begins every token, so that scanners of secrets find one that was published.
PREFIX = "etld_"
#: Stands before the name of a token where the name of a user would stand.
WHO = "token:"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What is known of a token."""

    name: str
    role: Role
    sha256: str
    expires: datetime | None = None

    def over(self, now: datetime) -> bool:
        """Is its time over?"""
        return self.expires is not None and now >= self.expires

    @property
    def user(self) -> User:
        """Who comes with it."""
        return User(WHO + self.name, self.role)

    def table(self) -> dict[str, Any]:
        """Itself in the file."""
        ends = {} if self.expires is None else {"expires": self.expires}
        return {"role": self.role, "sha256": self.sha256, **ends}


def new_token() -> str:
    """One that nobody has seen."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the file holds of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> dict[str, BearerToken]:
    """The tokens of a file by name; raises `EtldError` that names the file."""
    return {name: _token(path, name, table) for name, table in tables_of(path).items()}


def _token(path: Path, name: str, table: Any) -> BearerToken:
    if not NAME.fullmatch(name):
        raise EtldError(f"{path}: {name!r} is no name of a token", code="ETLD-U001")
    expires = table.get("expires") if isinstance(table, dict) else None
    if not isinstance(table, dict) or sorted({*table} - {"expires"}) != ["role", "sha256"]:
        raise EtldError(
            f"{path}: expected role, sha256, expires in [{name}], as `etld console token add` writes them",
            code="ETLD-U001",
        )
    if table["role"] not in ROLES:
        raise EtldError(f"{path}: [{name}] role: expected {', '.join(ROLES)}, got {table['role']!r}", code="ETLD-U001")
    if not isinstance(table["sha256"], str) or not _HASH.fullmatch(table["sha256"]):
        raise EtldError(f"{path}: [{name}] sha256: expected what `etld console token add` writes", code="ETLD-U001")
    if expires is not None and (not isinstance(expires, datetime) or expires.tzinfo is None):
        raise EtldError(f"{path}: [{name}] expires: expected a time such as 2027-01-31T12:00:00Z", code="ETLD-U001")
    return BearerToken(name, table["role"], table["sha256"], expires)


class TokensFile(WatchedFile[BearerToken]):
    """The tokens of a file, read anew when it has changed; `used` is the file of when each came last."""

    def __init__(self, path: Path, used: Path) -> None:
        super().__init__(path, read, "no token is good")
        self._used_file = used
        self._used = last_uses(used)
        self._written = dict(self._used)

    def find(self, token: str, now: datetime) -> BearerToken | None:
        """The token of this text, unless its time is over; notes that it came."""
        made = digest(token)
        for one in self.all().values():
            if hmac.compare_digest(one.sha256, made) and not one.over(now):
                self._used[one.sha256] = now.isoformat(timespec="minutes")
                return one
        return None

    def write_uses(self) -> None:
        """Write when each was used last, to the minute, where that is another than is written. Raises OSError."""
        known = {one.sha256 for one in self.all().values()}
        used = {made: at for made, at in self._used.items() if made in known}
        if used != self._written:
            write_atomically(self._used_file, json.dumps(used).encode(), durable=False)
            self._written = used


def last_uses(path: Path) -> dict[str, str]:
    """By hash, when a token was used last; nothing where there is no such file."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
