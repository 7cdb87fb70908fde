"""What answers where a schema registry should: one clear error, in time, whatever it says."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from etld.schemas.registry.base import Incompatible, RegistryUnavailable
from etld.schemas.registry.rest import RestRegistry
from etld.schemas.tree import SchemaError
from support.fuzzing import examples
from support.registries import schema_of


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL, with a password, of a server that does what `serve` does with each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            serve(connection)

    def all_of_them() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=all_of_them, daemon=True).start()
    try:
        yield f"http://etld:s3cret@127.0.0.1:{listener.getsockname()[1]}/registry"
    finally:
        listener.close()


def _http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_WRONG = {
    "a list": (_http(b"[]"), "a list where an object is due"),
    "a text": (_http(b'"hello"'), "a text where an object is due"),
    "a number": (_http(b"1e999"), "a number where an object is due"),
    "null": (_http(b"null"), "nothing where an object is due"),
    "no schema": (_http(b"{}"), "nothing where the 'schema' is due, which is a text"),
    "a schema that is none": (_http(b'{"schema": 7}'), "an integer where the 'schema' is due"),
    "references that are none": (_http(b'{"schema": "\\"int\\"", "references": [7]}'), "references without name"),
    "too deep": (_http(b'{"schema":' + b"[" * 200_000), "JSON that is nested too deeply"),
    "a number too long": (_http(b'{"id": ' + b"9" * 10_000 + b"}"), "does not answer as one"),
    "broken JSON": (_http(b'{"schema": "'), "broken JSON where JSON is due"),
    "no body": (_http(b""), "nothing where JSON is due"),
    "HTML": (_http(b"<html>", "200 OK", "Content-Type: text/html; charset=x"), "text/html where JSON is due"),
    "HTML and 404": (_http(b"<html>", "404 No", "Content-Type: text/html"), "text/html where JSON is due"),
    "another 404": (_http(b'{"error_code": 404}', "404 No"), "404 without a registry's error code"),
    "a list and 409": (_http(b"[]", "409 No"), "409 without a registry's error code"),
    "a redirect": (_http(b"", "302 No", "Location: http://a:pw@b.example/x"), r"redirects to b\.example \(302\)"),
    "a redirect to nowhere": (_http(b"", "308 No", "Location: http://[:"), "redirects to another path"),
    "bytes": (bytes(range(256)), "does not answer"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer"),
    "an end": (b"", "does not answer"),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, "does not answer"),
    "a long header": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "does not answer"),
    "bad chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", "does not answer"),
    "negative chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9\r\n{}", "does not answer"),
    "no permission": (_http(b"no", "403 No"), r"refuses us \(403\): check schema_registry\.username"),
    "an overload": (_http(b"no", "503 No"), "answers 503: nothing of use"),
    "words": (
        _http(b'{"message": "Leader\\n not \\ud800known\\u0000"}', "500 No"),
        r"500: Leader not \\ud800known\\x00",
    ),
}


@pytest.mark.parametrize("kind", _WRONG)
def test_what_is_no_registrys_answer_is_told(kind: str) -> None:
    """With the address, and without its password; whatever is asked."""
    answer, told = _WRONG[kind]
    with answering(lambda connection: connection.sendall(answer)) as url:
        with pytest.raises(RegistryUnavailable, match=told) as raised:
            schema_of(RestRegistry(url, timeout=20), 1)
        for ask in (lambda one: one.latest("x"), lambda one: one.versions("x"), lambda one: one.register("x", "{}")):
            with suppress(RegistryUnavailable, Incompatible):
                ask(RestRegistry(url, timeout=20))
    port = url.rpartition(":")[2]
    assert f"the schema registry at http://127.0.0.1:{port}" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "pw" not in str(raised.value)


def _drip(connection: socket.socket, begin: bytes, piece: bytes) -> None:
    connection.sendall(begin)
    while True:
        connection.sendall(piece)
        time.sleep(0.02)


def _flood(connection: socket.socket, begin: bytes, piece: bytes) -> None:
    connection.sendall(begin)
    while True:
        connection.sendall(piece * 100)


_SLOW = {
    "silent": lambda connection: connection.recv(1),
    "a dripped status line": lambda connection: _drip(connection, b"", b"H"),
    "a dripped head": lambda connection: _drip(connection, b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "a dripped body": lambda connection: _drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "),
    "a body without end": lambda connection: _drip(connection, b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "dripped chunks": lambda connection: _drip(
        connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"
    ),
    "trailers without end": lambda connection: _drip(
        connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"
    ),
    "100 Continue, dripped": lambda connection: _drip(connection, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue, a flood": lambda connection: _flood(connection, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("kind", _SLOW)
def test_a_call_has_an_end(kind: str) -> None:
    """Each drip is in time, and all of them are not."""
    with answering(_SLOW[kind]) as url:
        began = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="does not answer: no answer in time"):
            RestRegistry(url, timeout=0.2).latest("x")
        assert time.monotonic() - began < 3


def test_an_answer_is_no_larger_than_a_schema() -> None:
    """A flood of bytes ends before it fills the memory."""
    begin = b"HTTP/1.1 200 OK\r\n\r\n"
    with (
        answering(lambda connection: _flood(connection, begin, b" " * 65536)) as url,
        pytest.raises(RegistryUnavailable, match="more than 16777216 bytes"),
    ):
        RestRegistry(url, timeout=60).latest("x")


def test_a_connection_that_the_server_closed_is_made_anew() -> None:
    """A kept one may be closed by the other side at any moment."""
    body = _http(b'{"schema": "\\"int\\""}')
    with answering(lambda connection: connection.sendall(body)) as url:
        registry = RestRegistry(url, timeout=20)
        found = dict(registry.look_up(range(100), time.monotonic() + 60, lambda: None))
    assert set(found.values()) == {'"int"'}
    assert len(found) == 100


# -- anything at all

_GOOD: list[Any] = [
    {"schema": '"int"', "schemaType": "AVRO", "references": [{"name": "a", "subject": "b", "version": 1}]},
    {"subject": "x", "version": 1, "id": 1, "schema": '"int"'},
    {"is_compatible": False, "messages": ["no"]},
    {"error_code": 40401, "message": "Subject not found."},
    [1, 2],
    {"id": 1},
]
_ODD: list[Any] = [
    None, True, 0, -1, 2**31, 2**70, 1e999, "", "x" * 500, "\ud800", "\0", [], {}, [[]], [None], {"a": 1}, "AVRO",
    '{"type": "record", "name": "a", "fields": [{"name": "b", "type": "a"}]}', '["', "[" * 5000, 40403, 409,
]  # fmt: skip
_STATUSES = [200] * 6 + [404] * 3 + [409, 422, 100, 101, 204, 301, 302, 401, 403, 429, 500, 503, 999]


def _mutated(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if rng.random() < 0.95}
        value = {(k if rng.random() < 0.97 else "odd"): _mutated(rng, v) for k, v in kept.items()}
    elif isinstance(value, list):
        value = [_mutated(rng, one) for one in value]
    return rng.choice(_ODD) if rng.random() < 0.15 else value


def _any_answer(rng: random.Random) -> bytes:
    body = json.dumps(_mutated(rng, rng.choice(_GOOD))).encode()
    if rng.random() < 0.1:
        body = rng.randbytes(rng.randrange(40))
    header = rng.choice(["Content-Type: a", "Location: //b", "Connection: close"])
    raw = _http(body, f"{rng.choice(_STATUSES)} X", header)
    if rng.random() < 0.5:
        return raw
    broken = bytearray(raw)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(broken))
        kind = rng.randrange(3)
        if kind == 0:
            broken[at] = rng.randrange(256)
        elif kind == 1:
            del broken[at : at + rng.randrange(1, 20)]
            broken += b"\n"
        else:
            broken[at:at] = broken[: rng.randrange(60)]
    return bytes(broken)


class AnyAnswers:
    """Servers on several addresses of the loopback (each has only so many ports), with another answer each time."""

    def __init__(self, rng: random.Random) -> None:
        self.given = 0
        self._rng = rng
        self._listeners = [socket.create_server((f"127.0.0.{host}", 0), backlog=64) for host in range(1, 6)]
        self.urls = ["http://{}:{}".format(*one.getsockname()) for one in self._listeners]
        for one in self._listeners:
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    self.given += 1
                    connection.sendall(_any_answer(self._rng))

    def close(self) -> None:
        for one in self._listeners:
            one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_nothing_but_the_clear_error_leaves() -> None:
    """Any answers, right ones among them, to every question that etld has."""
    number, rng = examples(1000), random.Random(17)
    servers = AnyAnswers(rng)
    registries = [RestRegistry(url, timeout=60) for url in servers.urls]
    asking: list[Callable[[RestRegistry], object]] = [
        lambda one: schema_of(one, 1),
        lambda one: one.latest("x"),
        lambda one: one.versions("x"),
        lambda one: one.check("x", "{}"),
        lambda one: one.register("x", "{}"),
    ]
    told: dict[type, int] = {}
    while servers.given < number:
        for registry in registries:
            try:
                rng.choice(asking)(registry)
            except (RegistryUnavailable, Incompatible, SchemaError) as error:
                str(error).encode()
                told[type(error)] = told.get(type(error), 0) + 1
    servers.close()
    assert 0 < told[RegistryUnavailable] < number
