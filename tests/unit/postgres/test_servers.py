"""Several servers in one DSN, and which of them is asked first."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from etld.postgres import servers
from etld.util.ports import free_port


def led_to(host: str, port: int, hostaddr: str = "") -> Any:
    """A connection, as far as it tells where it leads."""
    return SimpleNamespace(info=SimpleNamespace(host=host, hostaddr=hostaddr, port=port))


@pytest.mark.parametrize(
    ("dsn", "led", "host", "port"),
    [
        ("postgresql://u@a:1,b:2,c:3/d", led_to("b", 2), "b,a,c", "2,1,3"),
        ("postgresql://u@a:1,b:2,c:3/d1", led_to("a", 1), "a,b,c", "1,2,3"),
        ("host=x,y port=5433", led_to("y", 5433), "y,x", "5433"),
        ("postgresql://u@x1,y1/d", led_to("y1", 5432), "y1,x1", ","),
        ("postgresql://u@same:1,same:2/d", led_to("same", 2), "same,same", "2,1"),
        ("postgresql://u@p,q/d?load_balance_hosts=random", led_to("q", 5432), "p,q", ","),
        ("postgresql://u@alone:7/d", led_to("alone", 7), "alone", "7"),
        ("host=m,n", led_to("elsewhere", 5432), "m,n", None),
    ],
)
def test_who_answered_last_is_asked_first(dsn: str, led: Any, host: str, port: str | None) -> None:
    """All others follow in the order of the DSN; the ports go with their hosts."""
    servers.answered(conninfo_to_dict(dsn), led)
    given = conninfo_to_dict(dsn)
    servers.last_first(given)
    assert (given["host"], given.get("port")) == (host, port)


def test_another_dsn_is_another_matter() -> None:
    """What one DSN leads to says nothing of others; nothing is moved before anything has answered."""
    servers.answered(conninfo_to_dict("postgresql://u@r,s/d"), led_to("s", 5432))
    given = conninfo_to_dict("postgresql://u@r,s,t/d")
    servers.last_first(given)
    assert given["host"] == "r,s,t"


def test_addresses_go_with_their_names() -> None:
    """Hostaddr is a list too, and tells two servers of one name apart."""
    dsn = "host=n,n hostaddr=10.0.0.1,10.0.0.2"
    servers.answered(conninfo_to_dict(dsn), led_to("n", 5432, "10.0.0.2"))
    given = conninfo_to_dict(dsn)
    servers.last_first(given)
    assert given["hostaddr"] == "10.0.0.2,10.0.0.1"


def test_a_dark_server_is_not_asked() -> None:
    """It would hold the caller up, also behind a standby that takes no writes; with nobody else there it is asked."""
    with dark() as one, dark() as other, socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        given = conninfo_to_dict(f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={one},{port},{other}")
        servers.leave_out_the_dark(given)
        assert (given["host"], given["port"]) == ("127.0.0.1,127.0.0.1", f"{port},{other}")
        given = conninfo_to_dict(f"host=127.0.0.1,127.0.0.1 port={one},{other}")
        servers.leave_out_the_dark(given)
        assert given["port"] == f"{one},{other}"


def test_who_refuses_is_not_dark() -> None:
    """Nor is a socket's directory, a name that nobody knows, or one that stands alone."""
    for dsn in (f"host=127.0.0.1,b port={free_port()},2", "host=/run/a,b", "host=a.invalid,b port=1,2", "host=alone"):
        given = conninfo_to_dict(dsn)
        servers.leave_out_the_dark(given)
        assert given == conninfo_to_dict(dsn)


@contextmanager
def dark() -> Iterator[int]:
    """A port whose queue of connections is full: the kernel drops what else wants to come in."""
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        yield full.getsockname()[1]
