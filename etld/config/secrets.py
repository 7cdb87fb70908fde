"""Passwords inside addresses, and options that hold one: found, and hidden."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

# As far as the last @, because a password may hold one that should have been written %40.
_IN_URL = re.compile(r"(://[^/:@\s]*):(\S+)@")
_IN_QUERY = re.compile(r"(?:^|(?<=&))password=([^&]*)&?", re.IGNORECASE)
_KEYWORD = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))\s*", re.IGNORECASE)
_IN_WORDS = re.compile(r"(\b(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]+)", re.IGNORECASE)
# Their values are for nobody's eyes: "ssl.keystore.password", "sasl.oauthbearer.assertion.private.key.pem".
_OPTION = re.compile(r"(^|[._])(password|passphrase|secret|key\.pem)$|^sasl\.oauthbearer\.config$")

# A shorter path, such as "etld", is a word that logs are full of.
_LONG_PATH = 16


def hidden(address: str) -> str:
    """A DSN or URL with *** for each password."""
    return _IN_WORDS.sub(r"\1***", _IN_URL.sub(r"\1:***@", address))


def inside(address: str) -> list[str]:
    """The passwords of a DSN or URL, as they are written and as they are meant."""
    found = [match[2] for match in _IN_URL.finditer(address)]
    found += [
        re.sub(r"\\(.)", r"\1", match[2][1:-1]) if match[2].startswith("'") else match[2]
        for match in _IN_WORDS.finditer(address)
    ]
    return [*found, *(unquote(secret) for secret in found)]


def host_of(url: str) -> str:
    """A URL as far as its host and port, for people: what follows is the secret of many a webhook."""
    parts = urlsplit(url)
    rest = parts.path.strip("/") or parts.query
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + ("/***" if rest else "")


def secrets_of_webhook(url: str) -> list[str]:
    """Its password, and what follows the host where that is long enough to be one."""
    rest = url.partition("://")[2].partition("/")[2]
    return [*inside(url), *([rest] if len(rest) >= _LONG_PATH else [])]


def split(dsn: str) -> tuple[str, str | None]:
    """A DSN without its password, and the password as it is meant."""
    if "://" not in dsn:
        match = _KEYWORD.search(dsn)
        if match is None:
            return dsn, None
        written = match[1] if match[1] is not None else match[2]
        return _KEYWORD.sub("", dsn).strip(), re.sub(r"\\(.)", r"\1", written)
    parts = urlsplit(dsn)
    password = unquote(parts.password) if parts.password is not None else None
    if password is not None:
        user, _, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user.partition(':')[0]}@{host}")
    if match := _IN_QUERY.search(parts.query):
        password = unquote(match[1])
        parts = parts._replace(query=_IN_QUERY.sub("", parts.query).rstrip("&"))
    return (dsn if password is None else urlunsplit(parts)), password


def is_secret(name: str) -> bool:
    """Is the value of this option of librdkafka a secret?"""
    return _OPTION.search(name) is not None
