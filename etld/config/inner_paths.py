"""Paths inside other values: in a DSN, and among the options of librdkafka."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: name=value, the value bare or in quotes, of a DSN that is no URL.
WORD = re.compile(r"\s*([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?:\s+|$)", re.DOTALL)
_URL = re.compile(r"([^=]*?://(?:[^@/]*@)?[^?]*\?)(.*)", re.DOTALL)
# Of libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_PARAMETERS = ("passfile", "servicefile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslrootcert")
_OPTION = re.compile(r".*\.(location|file|keytab)")
# No paths; and nor is what has a colon: the key in an engine (sslkey), the kind of a keytab.
_SPECIAL = {"sslrootcert": "system", "https.ca.location": "probe"}


def in_dsn(dsn: str, absolute: Callable[[str], str]) -> str:
    """A DSN in either spelling, with each path of a file as `absolute` makes it of the one that is written."""
    url = _URL.fullmatch(dsn)
    if url is not None:
        return url[1] + "&".join(_pair(pair, absolute) for pair in url[2].split("&"))
    return dsn if "://" in dsn.partition("=")[0] else WORD.sub(lambda found: _word(found, absolute), dsn)


def in_options(options: Mapping[str, str | float], absolute: Callable[[str], str]) -> dict[str, str | float]:
    """`[kafka.client]`, likewise."""
    return {
        name: absolute(value) if isinstance(value, str) and _OPTION.fullmatch(name) and _is_path(name, value) else value
        for name, value in options.items()
    }


def _is_path(name: str, value: str) -> bool:
    return value not in ("", _SPECIAL.get(name)) and ":" not in value


def _pair(pair: str, absolute: Callable[[str], str]) -> str:
    name, _, value = (unquote(part) for part in pair.partition("="))
    return f"{name}={quote(absolute(value))}" if name in _PARAMETERS and _is_path(name, value) else pair


def _word(found: re.Match[str], absolute: Callable[[str], str]) -> str:
    name, written = found[1], found[2]
    value = re.sub(r"\\(.)", r"\1", written[1:-1] if written.startswith("'") else written, flags=re.DOTALL)
    if name not in _PARAMETERS or not _is_path(name, value):
        return found[0]
    quoted = re.sub(r"(['\\])", r"\\\1", absolute(value))
    before, after = found[0][: found.start(2) - found.start()], found[0][found.end(2) - found.start() :]
    return f"{before}'{quoted}'{after}"
