"""Write keys: a TOML file with one table a key, which holds the key's SHA-256 and never the key.

    [shop-web]                       # the name, for metrics and logs
    sha256 = "2bb80d53…"             # printf %s "$KEY" | sha256sum; or a list: each of them is this key
    expires = 2027-01-01T00:00:00Z   # optional
    event_types = ["purchase"]       # optional: all
    rate = 500                       # optional: events a second; else [ingest] rate_per_key
    client = "shop"                  # optional: its Idempotency-Keys are apart from those of other clients

Two secrets of one client are valid at once while its key is rotated: one name, one rate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from etld.config import toml
from etld.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: Headers that hold a key as it is, the first as /openapi.json and the handbook name it.
KEY_HEADERS = ("X-Write-Key",)
#: All that a key may come in.
HEADERS = ("Authorization", *KEY_HEADERS)
#: The parameters of a query that hold a key: Segment's, and the one of RFC 6750 that CloudEvents' web hooks have.
_IN_QUERY = ("writeKey", "access_token")
_KEY_HEADERS = tuple(name.lower() for name in KEY_HEADERS)
_FIELDS = ("sha256", "expires", "event_types", "rate", "client")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A write key: `expires` in seconds since the epoch, `rate` in events a second (None: the default)."""

    name: str
    digests: tuple[bytes, ...]
    expires: float | None = None
    event_types: frozenset[str] | None = None
    rate: float | None = None
    client: str | None = None

    def allows(self, event_type: object) -> bool:
        """May this key send events of the type?"""
        return self.event_types is None or event_type in self.event_types


class KeyRing:
    """The keys that are valid now."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: str, now: float) -> Key | None:
        """The key with this text, unless it has expired by `now` (seconds since the epoch).

        Every key is compared, in constant time, so that the answer's time tells nothing.
        """
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self._keys:
            for known in key.digests:
                if hmac.compare_digest(known, digest) and (key.expires is None or now < key.expires):
                    found = key
        return found


def presented(headers: Mapping[str, str]) -> str | None:
    """The key that a request brings: in one of `KEY_HEADERS`, as a bearer token, or as the user of HTTP Basic.

    The names of `headers` are in lower case.
    """
    for name in _KEY_HEADERS:
        if name in headers:
            return headers[name].strip()
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return value
        case "basic":
            try:
                pair = base64.b64decode(value, validate=True).decode("utf-8")
            except (binascii.Error, ValueError):
                return None
            return pair.partition(":")[0]
    return None


def in_query(target: str) -> str | None:
    """The key in a target's query, which is all that a browser's beacon can bring."""
    if "?" not in target:
        return None
    query = target.partition("?")[2].partition("#")[0]
    return next((value for name, value in parse_qsl(query) if name in _IN_QUERY), None)


def load(path: Path, event_types: Iterable[str]) -> KeyRing:
    """The keys of a file; raises `ConfigError` with every problem in it."""
    keys, problems = _read(path, event_types)
    if problems:
        raise ConfigError([Problem("ingest.keys_file", 0, message, code="ETLD-C013") for message in problems])
    return KeyRing(keys)


def check(path: Path, event_types: Iterable[str]) -> list[str]:
    """Every problem in a file of keys."""
    return _read(path, event_types)[1]


def _read(path: Path, event_types: Iterable[str]) -> tuple[list[Key], list[str]]:
    """The keys that are well, and what is wrong with the others."""
    try:
        tables = toml.loads(path.read_text("utf-8"))
    except OSError as error:
        return [], [f"{path}: cannot be read: {error.strerror or error}"]
    except (toml.TomlMistake, UnicodeDecodeError) as error:
        return [], [f"{path}: is not TOML: {error}"]
    problems: list[str] = []
    known = frozenset(event_types)
    keys = [key for name, table in tables.items() if (key := _key(name, table, known, problems)) is not None]
    seen: dict[bytes, str] = {}
    for key in keys:
        for digest in key.digests:
            if digest in seen:
                problems.append(f"[{key.name}] has the same sha256 as [{seen[digest]}]: one key, one table")
            seen[digest] = key.name
    return keys, [f"{path}: {message}" for message in problems]


def _key(name: str, table: Any, known: frozenset[str], problems: list[str]) -> Key | None:
    if not isinstance(table, dict):
        problems.append(f"{name} is not a table: write [{name}] with a sha256 below it")
        return None
    before = len(problems)
    problems += [f"[{name}] has an unknown field {field!r}" for field in table if field not in _FIELDS]
    given, types, rate = table.get("sha256"), table.get("event_types"), table.get("rate")
    digests = given if isinstance(given, list) and given else [given]
    if not all(isinstance(digest, str) and _HEX.fullmatch(digest.lower()) for digest in digests):
        problems.append(f"[{name}] sha256: expected 64 hex digits, from: printf %s KEY | sha256sum")
    if types is not None:
        if not isinstance(types, list) or not all(isinstance(item, str) for item in types):
            problems.append(f"[{name}] event_types: expected a list of names")
        else:
            problems += [f"[{name}] event_types: no event type {item!r}" for item in types if item not in known]
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0):
        problems.append(f"[{name}] rate: expected events a second, above 0")
    client = table.get("client")
    if client is not None and (not isinstance(client, str) or not client or not client.isprintable()):
        problems.append(f"[{name}] client: expected a name, the same in each table of the client")
    expires = _moment(table.get("expires"))
    if expires is None and "expires" in table:
        problems.append(f"[{name}] expires: expected a date or a time such as 2027-01-01T00:00:00Z")
    if len(problems) > before:
        return None
    return Key(
        name,
        tuple(map(bytes.fromhex, digests)),
        expires,
        None if types is None else frozenset(types),
        rate,
        client,
    )


def _moment(value: Any) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC).timestamp()
    return None
