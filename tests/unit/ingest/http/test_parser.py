"""The parser is strict: what a proxy in front may read otherwise is refused, whatever llhttp's next version takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.ingest.http.parser import MAX_HEADERS, MAX_LINE, BadRequest, RequestParser
from etld.ingest.http.request import HttpRequest

HEAD = b"POST /track HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"Content-Length: 2\r\n\r\n{}"


def parsed(*pieces: bytes) -> list[HttpRequest]:
    """The requests in these bytes."""
    parser = RequestParser()
    for piece in pieces:
        parser.feed(piece)
    return list(parser.requests)


def seen(request: HttpRequest) -> dict[str, Any]:
    """All that is known of a request."""
    return {name: getattr(request, name) for name in HttpRequest.__slots__}


@pytest.mark.parametrize(
    "data",
    [
        # a length and a transfer coding, two of either, none that can be told for sure
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: -2\r\n\r\n{}",
        HEAD + b"Content-Length: 0x2\r\n\r\n{}",
        HEAD + b"Content-Length: \r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST /track HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        # lines
        HEAD + b"X-A: a\r\n b\r\n" + END,
        HEAD + b"X-A: a\n" + END,
        HEAD + b"X-A: a\rb\r\n" + END,
        HEAD + b"Content-Length: 2\r\n\n{}",
        b"POST /track HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
        # characters
        HEAD + b"X-A: a\0b\r\n" + END,
        HEAD + b"X-A: a\x01b\r\n" + END,
        HEAD + b"X-A: a\x7fb\r\n" + END,
        HEAD + b"X-\0A: b\r\n" + END,
        HEAD + b"X A: b\r\n" + END,
        HEAD + b": b\r\n" + END,
        b"GET /tr\0ck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /tr\xc3\xa4ck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /tr ck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET track HTTP/1.1\r\nHost: x\r\n\r\n",
        # chunks
        CHUNKED + b"zz\r\n",
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\n{}\n0\n\n",
        CHUNKED + b"2;\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
        # the first line, and who is asked
        b"post /track HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /track HTTP/1.1\r\nHost: x\r\n\r\n",
        b" GET /track HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /track HTTP/1.2\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /track HTTP/1.1\r\n" + END,
        HEAD + b"Host: y\r\n" + END,
        HEAD + b"Content-Type: a\r\nContent-Type: b\r\n" + END,
        # too much
        b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"X-A: " + b"a" * (MAX_LINE + 1) + b"\r\n" + END,
        HEAD + b"X" * (MAX_LINE + 1) + b": a\r\n" + END,
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(MAX_HEADERS)) + END,
        HEAD + b"X-A: a\r\n" * MAX_HEADERS + END,
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        parsed(data)
    with pytest.raises(BadRequest):
        parsed(*(data[i : i + 1] for i in range(len(data))))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: identity, Chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /healthz\r\n\r\n", 505),
        (b"GET /healthz HTTP/0.9\r\n\r\n", 505),
        (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
)
def test_codings_and_protocols_that_are_not_spoken(data: bytes, status: int) -> None:
    for before in (b"", HEAD + END):
        parser = RequestParser()
        with pytest.raises(BadRequest) as caught:
            parser.feed(before + data)
        assert caught.value.status == status
        assert [request.body for request in parser.requests] == [b"{}"][: len(before)]


def test_the_transfer_coding_has_no_case() -> None:
    (request,) = parsed(HEAD + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert request.body == b"{}"


@pytest.mark.parametrize(
    ("piece", "accepted"),
    [(b"1\r\na\r\n" * 100, True), (b"1;x\r\na\r\n" * 100, True), (b"1;" + b"x" * 2000 + b"\r\na\r\n", False)],
)
def test_the_extensions_of_chunks_count(piece: bytes, accepted: bool) -> None:
    pieces = [CHUNKED, *[piece] * 40, b"0\r\n\r\n"]
    if accepted:
        (request,) = parsed(*pieces)
        assert request.complete
    else:
        with pytest.raises(BadRequest):
            parsed(*pieces)


def test_a_head_has_a_limit_as_a_whole() -> None:
    field = b"X-%d: " + b"a" * 4000 + b"\r\n"
    with pytest.raises(BadRequest):
        parsed(HEAD, *[field % number for number in range(20)])
    assert parsed(HEAD, *[field % number for number in range(7)], END)


@pytest.mark.parametrize("start", [b"GET /", HEAD + b"X-A: ", HEAD + b"X", CHUNKED + b"2;", CHUNKED + b"0\r\nX-T: "])
def test_a_line_without_an_end_is_refused_before_it_has_filled_the_memory(start: bytes) -> None:
    with pytest.raises(BadRequest):
        parsed(start, *[b"a" * 4096] * 10)


def test_endless_trailers_are_refused() -> None:
    with pytest.raises(BadRequest):
        parsed(CHUNKED + b"2\r\n{}\r\n0\r\n", *[b"X-T: a\r\n" * 100] * 100)


def test_a_head_and_a_body() -> None:
    (request,) = parsed(HEAD + b"X-Empty:\r\nX-Two: a \t\r\nx-two: b\r\nX-Odd: \xff\r\nContent-Length: 2\r\n\r\n{}")
    assert (request.method, request.path, request.version, request.body) == ("POST", "/track", "1.1", b"{}")
    assert request.headers == {"host": "x", "x-empty": "", "x-two": "a", "x-odd": "\udcff", "content-length": "2"}
    assert request.all("x-two") == ["a", "b"]
    assert (request.all("x-empty"), request.all("x-none")) == ([""], [])
    assert request.complete
    assert not request.close


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/track", "/track"),
        (b"/track?a=/b", "/track"),
        (b"/track#a?b", "/track"),
        (b"http://x.example/v1/track?a", "/v1/track"),
        (b"http://x.example", "http://x.example"),
        (b"*", "*"),
        (b"/%74rack", "/%74rack"),
        (b"//v1/batch", "//v1/batch"),
    ],
)
def test_the_path_of_a_target(target: bytes, path: str) -> None:
    (request,) = parsed(b"OPTIONS %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert request.path == path


def test_trailers_are_dropped_and_touch_no_other_request() -> None:
    first, second = parsed(CHUNKED + b"2\r\n{}\r\n0\r\nX-Write-Key: k\r\n\r\n" + HEAD + END)
    assert first.body == second.body == b"{}"
    assert "x-write-key" not in first.headers
    assert "x-write-key" not in second.headers


@pytest.mark.parametrize("wish", [b"h2c", b"websocket"])
def test_no_other_protocol_is_spoken(wish: bytes) -> None:
    """A request with a wish for one is an ordinary request, and so is what follows it."""
    upgrade = HEAD + b"Connection: Upgrade\r\nUpgrade: " + wish + b"\r\n" + END
    for pieces in ([upgrade + HEAD + END], [upgrade[:40], upgrade[40:-1], upgrade[-1:] + HEAD + END]):
        first, second = parsed(*pieces)
        assert first.complete
        assert second.complete
        assert (first.path, first.body, first.close) == ("/track", b"{}", False)


def test_a_tunnel_is_none() -> None:
    (request,) = parsed(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (request.method, request.close) == ("CONNECT", True)


@pytest.mark.parametrize(
    ("version", "header", "close"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: close\r\n", True),
        (b"1.1", b"Connection: x, close\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ],
)
def test_which_connections_are_kept(version: bytes, header: bytes, close: bool) -> None:
    (request,) = parsed(b"GET / HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, header))
    assert (request.version.encode(), request.close) == (version, close)


def test_requests_before_a_broken_one_are_there() -> None:
    parser = RequestParser()
    with pytest.raises(BadRequest):
        parser.feed(HEAD + END + b"\0")
    assert [request.body for request in parser.requests] == [b"{}"]


@given(st.lists(st.integers(1, 200), max_size=20))
def test_the_pieces_in_which_bytes_come_do_not_matter(sizes: list[int]) -> None:
    data = HEAD + b"X-A: a\r\nX-A: b\r\n" + END + CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\nGET /x HTTP/1.0\r\n\r\n"
    pieces = []
    rest = data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    whole, cut = parsed(data), parsed(*pieces, rest)
    assert [seen(request) for request in cut] == [seen(request) for request in whole]
    assert len(whole) == 3


def test_between_requests_no_head_is_open() -> None:
    parser = RequestParser()
    parser.feed(HEAD + END)
    assert not parser.in_head
    parser.feed(b"P")
    assert parser.in_head


def test_a_connection_may_serve_many_requests_whose_bodies_come_after_their_heads() -> None:
    """As most clients send them: what was long in coming of one request says nothing of the next."""
    parser = RequestParser()
    head = HEAD + b"X-A: " + b"a" * 1000 + b"\r\nContent-Length: 2\r\n\r\n"
    for _ in range(100):
        parser.feed(head)
        parser.feed(b"{}")
        assert parser.requests.popleft().complete
