"""A DSN of several servers: the one that answered last is asked first.

libpq asks them in the order of the DSN each time. While the first is dark, every new connection waits for the whole of
connect_timeout before the second is asked; after a failover a worker makes several of them, one after the other.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    import psycopg

#: The parameters that may be lists: an item for each server.
_LISTS = ("host", "hostaddr", "port")
#: By the lists of a DSN, the number of the server that answered this process last.
_last: dict[tuple[str, ...], int] = {}


def last_first(given: MutableMapping[str, Any]) -> None:
    """Put the server that answered last before the others; the parameters say all that they said."""
    servers = _servers(given)
    number = _last.get(_key(given), 0)
    if number == 0 or number >= len(servers) or given.get("load_balance_hosts", "disable") != "disable":
        return
    for name in _LISTS:
        items = str(given.get(name) or "").split(",")
        if len(items) == len(servers):  # one port for all may stand alone
            given[name] = ",".join([items[number], *items[:number], *items[number + 1 :]])


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
