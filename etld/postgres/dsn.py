"""What a DSN may say besides where the server is: parameters that etld sets too, or that would break what it promises.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from etld.postgres import session_settings
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

# libpq's parameters: those that a variable of the environment may stand in for, and the others.
_WITH_VARIABLE = """
    application_name channel_binding client_encoding connect_timeout dbname gssdelegation gssencmode gsslib host
    hostaddr krbsrvname load_balance_hosts max_protocol_version min_protocol_version options passfile password port
    require_auth requirepeer service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode
    sslcompression sslcrl sslcrldir sslkey sslmode sslnegotiation sslrootcert sslsni target_session_attrs user
"""
_OTHERS = """
    fallback_application_name keepalives keepalives_count keepalives_idle keepalives_interval oauth_client_id
    oauth_client_secret oauth_issuer oauth_scope replication scram_client_key scram_server_key servicefile sslkeylogfile
    sslpassword tcp_user_timeout
"""
_PARAMETERS = frozenset((_WITH_VARIABLE + _OTHERS).split())
_ODD_VARIABLES = {"application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT", "dbname": "PGDATABASE"}
_VARIABLES = (
    *(_ODD_VARIABLES.get(name, f"PG{name.replace('_', '').upper()}") for name in _WITH_VARIABLE.split()),
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
)
_NUMBERS = ("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout")
_OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z_.-]+)=((?:\\.|\S)*)", re.DOTALL)
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def parameters(dsn: str) -> dict[str, str]:
    """The parameters of a DSN in either spelling (of a URL: those of its query). Raises ValueError in words."""
    return dict(_of_url(dsn) if "://" in dsn.partition("=")[0] else _of_words(dsn))


def problems(dsn: str, connect_timeout: float) -> Iterator[str]:
    """What is wrong with a DSN, in words that repeat nothing secret. `connect_timeout`: see `[postgres]`."""
    try:
        given = parameters(dsn)
    except ValueError as error:
        yield str(error)
        return
    for name, value in given.items():
        if name not in _PARAMETERS:
            yield f"{name!r} is no parameter of a DSN{did_you_mean(name, _PARAMETERS)}"
        elif why := (_connect_timeout(value, connect_timeout) if name == "connect_timeout" else _refused(name, value)):
            yield why


def application_name(dsn_value: str | None, own: str) -> str:
    """The name of a connection: etld finds its own by how it begins."""
    return f"{own} ({dsn_value})" if dsn_value else own


def forget_environment(environment: MutableMapping[str, str]) -> None:
    """Take out what libpq would add to the address of the embedded server: a password, TLS, another host."""
    for variable in _VARIABLES:
        environment.pop(variable, None)


def _of_url(dsn: str) -> Iterator[tuple[str, str]]:
    rest = re.sub(r"^[^@/]*@", "", dsn.partition("://")[2])
    for pair in filter(None, rest.partition("?")[2].split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("expected name=value after the ?, and & between two of them")
        name, value = unquote(name), unquote(value)
        # As JDBC has it, and libpq in a URL.
        yield ("sslmode", "require") if (name, value) == ("ssl", "true") else (name, value)


def _of_words(dsn: str) -> Iterator[tuple[str, str]]:
    from etld.config.inner_paths import WORD  # which brings the whole configuration: commands do without

    at = 0
    while at < len(dsn):
        found = WORD.match(dsn, at)
        if found is None:
            last = re.findall(r"([A-Za-z_]+)\s*=", dsn[:at])
            after = f" after {last[-1]}" if last else ""
            raise ValueError(f"expected name=value{after}; a value with blanks stands in '…', with \\ before ' and \\")
        value = found[2][1:-1] if found[2].startswith("'") else found[2]
        yield found[1], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = found.end()


def _connect_timeout(value: str, own: float) -> str | None:
    number = _number(value)
    if number is None:
        return f"connect_timeout={value!r}: expected a number of seconds"
    if not 0 < number <= own:
        waits = f"longer than postgres.connect_timeout ({own:g} s): raise that instead" if number > 0 else "no limit"
        return f"connect_timeout={number} is {waits}"
    return None


def _refused(name: str, value: str) -> str | None:
    if name in _NUMBERS:
        return None if _number(value) is not None else f"{name}={value!r}: expected a whole number"
    check = _CHECKS.get(name)
    return check(value) if check is not None else None


def _target(value: str) -> str | None:
    if value in ("any", "read-write", "primary"):
        return None
    return f'target_session_attrs={value!r}: etld writes; expected "read-write", "primary" or "any"'


def _encoding(value: str) -> str | None:
    if value.upper().replace("-", "").replace("_", "") in ("UTF8", "UNICODE"):
        return None
    return f"client_encoding={value!r}: etld reads and writes UTF8"


def _ssl_mode(value: str) -> str | None:
    return None if value in _SSL_MODES else f"sslmode={value!r}: expected one of {', '.join(_SSL_MODES)}"


def _replication(value: str) -> str | None:
    no = value.lower() in ("", "false", "off", "no", "0")
    return None if no else "replication: such a connection takes no statements of etld's"


def _options(value: str) -> str | None:
    """Settings of a session that etld works with itself; the others are the user's."""
    own = session_settings.wanted({"application_name": ""})
    for found in _OPTION.finditer(value):
        name, wished = found[1].lower().replace("-", "_"), re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        if name == "statement_timeout":
            return "options: statement_timeout has a key of its own, postgres.statement_timeout"
        if name in own and wished.lower() != own[name].lower():
            return f"options: {name} is {own[name]!r} in every session of etld's, which depends on it"
    return None


def _number(value: str) -> int | None:
    return int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", value) else None


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "target_session_attrs": _target,
    "client_encoding": _encoding,
    "sslmode": _ssl_mode,
    "replication": _replication,
    "options": _options,
}
