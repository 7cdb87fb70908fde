"""A DSN of several servers: the one that answered last is asked first, and one that is dark is not asked.

libpq asks them in the order of the DSN each time, and waits for each that is dark for the whole of connect_timeout: for
the first one before the second is asked, and for the last one after a standby has said that it takes no writes, though
it may be promoted meanwhile. After a failover a worker makes several connections, one after the other.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    import psycopg

#: The parameters that may be lists: an item for each server.
_LISTS = ("host", "hostaddr", "port")
_PORT = 5432
# Seconds in which a server takes a TCP connection, unless it is dark.
_TAKES_IT_WITHIN = 1.0
#: By the lists of a DSN, the number of the server that answered this process last.
_last: dict[tuple[str, ...], int] = {}


def last_first(given: MutableMapping[str, Any]) -> None:
    """Put the server that answered last before the others; the parameters say all that they said."""
    servers = _servers(given)
    number = _last.get(_key(given), 0)
    if number == 0 or number >= len(servers) or given.get("load_balance_hosts", "disable") != "disable":
        return
    _keep(given, [number, *(other for other in range(len(servers)) if other != number)])


def leave_out_the_dark(given: MutableMapping[str, Any]) -> None:
    """Leave out the first ones as long as they take no TCP connection in time; all stay where none of them does."""
    servers = _servers(given)
    if len(servers) < 2:
        return
    for first, server in enumerate(servers):
        if not _is_dark(server):
            _keep(given, range(first, len(servers)))
            return


def _keep(given: MutableMapping[str, Any], numbers: Sequence[int]) -> None:
    """Only those servers, in that order."""
    count = len(_servers(given))
    for name in _LISTS:
        items = str(given.get(name) or "").split(",")
        if len(items) == count:  # one port for all may stand alone
            given[name] = ",".join(items[number] for number in numbers)


def _is_dark(server: Mapping[str, str]) -> bool:
    """Does it say nothing, not even that nobody listens there?"""
    host = server.get("hostaddr") or server.get("host", "")
    if not host or host.startswith(("/", "@")):
        return False
    port = server.get("port") or ""
    try:
        socket.create_connection((host, int(port) if port.isdecimal() else _PORT), _TAKES_IT_WITHIN).close()
    except TimeoutError:
        return True
    except OSError:
        return False  # libpq has that answer at once, too
    return False


def answered(given: MutableMapping[str, Any], conn: psycopg.Connection[Any]) -> None:
    """Remember which of the servers of these parameters, as the DSN has them, this connection leads to."""
    servers = _servers(given)
    if len(servers) > 1:
        found = {"host": conn.info.host, "hostaddr": conn.info.hostaddr, "port": str(conn.info.port)}
        for number, server in enumerate(servers):
            if all(found[name] == value for name, value in server.items() if value):
                _last[_key(given)] = number
                return


def _key(given: MutableMapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(given.get(name) or "") for name in _LISTS)


def _servers(given: MutableMapping[str, Any]) -> list[dict[str, str]]:
    """The items of the lists, server by server."""
    lists = {name: str(given[name]).split(",") for name in _LISTS if given.get(name)}
    count = max((len(items) for items in lists.values()), default=0)
    return [{name: items[n] if n < len(items) else items[0] for name, items in lists.items()} for n in range(count)]
