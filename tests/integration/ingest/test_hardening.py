"""Bombs, slow clients and garbage."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import sys
import threading
import time
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.events import event
from support.ingest import Ingest, Start, read
from support.waiting import wait_until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD = {"Content-Encoding": "zstd", "Content-Type": "application/x-ndjson"}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_codings(ingest: Ingest, coding: str) -> None:
    squeeze: Any = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}[coding]
    body = json.dumps(event()).encode()
    assert ingest.post("/track", squeeze(body), Content_Encoding=coding)[0] == 200
    bomb = squeeze(b" " * (200 << 20))
    assert len(bomb) < 1 << 20
    assert ingest.post("/track", bomb, Content_Encoding=coding)[1]["code"] == "body_too_large"
    assert ingest.post("/track", squeeze(body)[:-9], Content_Encoding=coding)[1]["code"] == "bad_coding"
    assert ingest.post("/track", body, Content_Encoding=coding)[1]["code"] == "bad_coding"
    assert ingest.post("/track", body, Content_Encoding="br")[0] == 415


def test_slow_clients_are_cut_off(start: Start) -> None:
    ingest = start(header_timeout="1 s", body_timeout="1 s")
    for slow in (b"POST /track HT", b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"):
        with ingest.open() as sock:
            sock.sendall(slow)
            sock.settimeout(10)
            began = time.monotonic()
            assert b" 408 " in sock.recv(1000)
            assert time.monotonic() - began < 5
    with ingest.open() as sock:
        sock.settimeout(10)
        assert sock.recv(10) == b""


def test_an_idle_connection_is_kept_for_so_long_and_no_longer(start: Start) -> None:
    ingest = start(keep_alive="2 s")
    with ingest.open() as sock:
        sock.settimeout(10)
        for _ in range(2):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 OK" in sock.recv(2000)
            time.sleep(1)
        began = time.monotonic()
        assert sock.recv(10) == b""
        assert 0.5 < time.monotonic() - began < 4


def test_idle_connections_make_room(start: Start) -> None:
    ingest = start(max_connections="4")
    held = [ingest.open() for _ in range(20)]
    try:
        assert ingest.post("/track", event())[0] == 200
    finally:
        for sock in held:
            sock.close()


def test_pipelined_requests_are_answered_in_order(ingest: Ingest) -> None:
    ids = [f"0192f0c0-1111-7222-8333-{number:012d}" for number in range(200)]
    data = b""
    for own in ids:
        body = json.dumps(event(event_id=own)).encode()
        data += b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answer = ingest.raw(data)
    assert answer.count(b"HTTP/1.1 200 OK") == 200
    assert sorted(range(200), key=lambda n: answer.index(ids[n].encode())) == list(range(200))


def test_chunked_bodies_and_expectations(ingest: Ingest) -> None:
    body = json.dumps(event()).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7))
    start = b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    assert b" 200 OK" in ingest.raw(start + b"\r\n" + pieces + b"0\r\n\r\n")
    assert b" 400 " in ingest.raw(start + b"\r\n" + b"zz\r\n")
    with ingest.open() as sock:
        sock.sendall(
            b"POST /track HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert b" 200 OK" in sock.recv(1000)


BEHIND = {
    b"garbage\0\r\n\r\n": [400],
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": [400],
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": [505],
    b"GET /healthz\r\n\r\n": [505],
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n": [200],
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n": [404],
    b"GET http://else.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n": [200],
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\nx": [200, 404, 400],
    b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n": [413],
    b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf": [400],
    b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n": [400],
    b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": [501],
    b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n": [400],
    b"POST /track HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}": [202],
    b"POST /track HTTP/1.1\r\nHo": [],
}


def test_a_good_request_is_answered_and_kept_whatever_comes_with_it(ingest: Ingest, kafka: str) -> None:
    """In one packet with it, and the end of the client's side right behind."""
    ids = []
    for rest, statuses in BEHIND.items():
        ids.append(str(uuid4()))
        body = json.dumps(event(event_id=ids[-1])).encode()
        answer = ingest.raw(
            b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s%s" % (len(body), body, rest)
        )
        assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, *statuses], rest
        assert ids[-1].encode() in answer
    topic = json.loads(ingest.config.schemas_path.read_text())["event_types"]["purchase"]["topic"]
    assert set(ids) <= {record.key().decode() for record in read(kafka, topic)}


def test_the_extensions_of_chunks_count(ingest: Ingest) -> None:
    start = b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = ingest.raw(start + (b"1;" + b"x" * 2000 + b"\r\n \r\n") * 1000)
    assert b" 400 " in answer, answer


def test_a_drain_answers_what_is_in_hand(start: Start) -> None:
    ingest = start()
    with ingest.open() as idle, ingest.open() as busy:
        body = json.dumps(event()).encode()
        busy.sendall(b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
        wait_until(lambda: ingest.request("GET", "/healthz")[0] == 200)
        ingest.worker.stop()
        time.sleep(0.3)  # the drain has begun; the rest of the request comes into it
        busy.sendall(body[10:])
        answer = busy.recv(2000)
        assert b" 200 OK" in answer
        assert b"Connection: close" in answer
        idle.settimeout(10)
        assert idle.recv(10) == b""


def test_many_clients_at_once(ingest: Ingest) -> None:
    failures: list[Any] = []

    def client() -> None:
        body = json.dumps(event()).encode()
        request = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with socket.create_connection(("127.0.0.1", ingest.port), 10) as sock:
            for _ in range(50):
                sock.sendall(request)
                answer = sock.recv(4096)
                if b" 200 OK" not in answer:
                    failures.append(answer)

    threads = [threading.Thread(target=client) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_the_work_for_one_request_is_bounded(ingest: Ingest) -> None:
    """However many mistakes come in a few kilobytes: so many guesses at them, lines about them, looks for an id."""
    wrong = event(event_details={f"pric{number}": 1 for number in range(55)})
    body = gzip.compress(json.dumps({"batch": [wrong] * 1000}).encode())
    status, answer = ingest.post("/v1/batch", body, Content_Encoding="gzip")
    assert status == 207
    errors = [error for result in answer["results"] for error in result["errors"]]
    assert 0 < sum("did you mean" in error["expected"] for error in errors) <= 50
    assert len(errors) < 7000
    assert all(result["errors"] for result in answer["results"])
    own = "0192f0c0-1111-7222-8333-444455556666"
    for others, found in ((5, True), (500, False)):
        many = {f"f{number}": f"0192f0c0-1111-7222-8333-{number:012d}" for number in range(others)}
        assert (ingest.post("/track", event(**many, evnt_id=own))[1]["event_id"] == own) == found


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_many_parts(ingest: Ingest, coding: str) -> None:
    squeeze: Any = {"gzip": gzip.compress, "zstd": zstd.compress}[coding]
    body, empty = squeeze(json.dumps(event()).encode()), squeeze(b"")
    assert ingest.post("/track", empty * 50 + body, Content_Encoding=coding)[0] == 200
    for much in (empty * 50_000 + body, empty * 100 + body):
        assert ingest.post("/track", much[-1_000_000:], Content_Encoding=coding)[1]["code"] == "bad_coding"


def test_a_zstd_stream_that_was_cut(ingest: Ingest) -> None:
    """Compressors of streams do not state the size: only the frame's own end tells that all of it came."""
    lines = b"".join(json.dumps(event(event_details={"item_id": n})).encode() + b"\n" for n in range(500))

    def stream(*pieces: bytes) -> bytes:
        machine = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
        blocks = [machine.compress(piece, machine.FLUSH_BLOCK) for piece in pieces]
        return b"".join(blocks) + machine.flush()

    whole, half = stream(lines, lines), stream(lines)
    at_line = half[:-7]  # the last block and the checksum: what is left ends with a whole line
    assert zstd.ZstdDecompressor().decompress(at_line) == lines
    skippable = b"\x50\x2a\x4d\x18\3\0\0\0abc"
    for body in (whole, half + half, skippable + half, half + skippable):
        assert ingest.request("POST", "/v1/batch", body, ZSTD)[0] in (200, 207)
    for body in (at_line, whole[:-3], half + half[:-3], half + at_line, half + b"x", b""):
        status, _, answer = ingest.request("POST", "/v1/batch", body, ZSTD)
        assert (status, json.loads(answer)["code"]) == (400, "bad_coding")


@pytest.mark.parametrize(
    ("rate", "method", "path", "body", "key", "status"),
    [
        ("rate_per_address", "POST", "/track", b"{}", "wrong", 401),
        ("rate_per_address", "POST", "/v1/batch", b"{", "right", 400),
        ("rate_per_address", "POST", "/nothing", b"{}", "right", 404),
        ("rate_per_address", "GET", "/track", None, "right", 405),
        ("rate_per_key", "POST", "/track", b"{", "right", 400),
        ("rate_per_key", "POST", "/v1/batch", b"{", "right", 400),
    ],
)
def test_what_is_refused_costs_a_token(  # noqa: PLR0913, PLR0917  # a table's columns
    start: Start, tmp_path: Path, rate: str, method: str, path: str, body: bytes | None, key: str, status: int
) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[a]\nsha256="{hashlib.sha256(b"right").hexdigest()}"\n')
    ingest = start(keys_file=str(keys), **{rate: "5"})
    statuses = {ingest.request(method, path, body, {"X-Write-Key": key})[0] for _ in range(30)}
    assert statuses == {status, 429}


MEGABYTE = b"POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1000000\r\n\r\n" + b" " * 999_999


def test_bodies_without_a_key_leave_room_for_those_with_one(start: Start, tmp_path: Path) -> None:
    """The key is judged at the headers; where it may be in the body, a small room is for all of those."""
    file = tmp_path / "keys.toml"
    file.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    ingest = start(keys_file=str(file))

    def send(sock: socket.socket, path: bytes, header: bytes = b"") -> None:
        sock.settimeout(10)
        with suppress(OSError):
            sock.sendall(MEGABYTE % (path, header))

    def good() -> int:
        with ingest.open() as sock:
            send(sock, b"/v1/batch", b"X-Write-Key: one\r\n")
            sock.sendall(b"{")  # it is not JSON, and that can only be said of a body that was read
            return int(sock.recv(1000)[9:12])

    with ExitStack() as stack:
        for _ in range(3):
            sock = stack.enter_context(ingest.open())
            sock.sendall(MEGABYTE[:-999_999] % (b"/track", b""))
            assert b" 401 " in sock.recv(1000)
        sock = stack.enter_context(ingest.open())
        sock.sendall(MEGABYTE[:-999_999] % (b"/v1/batch", b"X-Write-Key: two\r\n"))
        assert b" 401 " in sock.recv(1000)
        for _ in range(70):
            send(stack.enter_context(ingest.open()), b"/v1/batch")
        assert good() == 400
        refused = stack.enter_context(ingest.open())
        send(refused, b"/v1/batch")
        assert b" 503 " in refused.recv(1000)
        # Nor does one address take all of what is for known senders.
        for _ in range(70):
            send(stack.enter_context(ingest.open()), b"/v1/batch", b"X-Write-Key: one\r\n")
        assert good() == 503
        with socket.create_connection(("127.0.0.1", ingest.port), 10, source_address=("127.0.0.2", 0)) as other:
            send(other, b"/v1/batch", b"X-Write-Key: one\r\n")
            other.sendall(b"{")
            assert b" 400 " in other.recv(1000)


def test_what_is_refused_by_its_headers_costs_no_connection(start: Start, tmp_path: Path) -> None:
    """Where the body is short: it is read to its end, and thrown away."""
    file = tmp_path / "keys.toml"
    file.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    ingest = start(keys_file=str(file))
    body = json.dumps(event()).encode()
    with ingest.open() as sock:
        sock.settimeout(10)
        for path, key, status in ((b"/track", b"two", 401), (b"/no", b"one", 404), (b"/track", b"one", 200)):
            head = b"POST %s HTTP/1.1\r\nHost: x\r\nX-Write-Key: %s\r\nContent-Length: %d\r\n\r\n"
            sock.sendall(head % (path, key, len(body)) + body[:10])
            time.sleep(0.05)
            sock.sendall(body[10:])
            assert b" %d " % status in sock.recv(2000)
    wait_until(lambda: ingest.worker.counter("http_requests") == 3, 10)
    assert ingest.worker.counter("rejected") == 2


def test_a_batch_is_paid_for_once_and_to_the_last_event(start: Start) -> None:
    ingest = start(rate_per_address="2")
    status, answer = ingest.post("/v1/batch", {"batch": [event()] * 9})
    assert (status, answer["accepted"]) == (200, 9)
    status, headers, _ = ingest.request("POST", "/track", event())
    assert status == 429
    assert 2 <= int(headers["retry-after"]) <= 4
    assert ingest.request("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("part", [b"POST /track HT", b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_slow_connections_make_room(start: Start, part: bytes) -> None:
    ingest = start(max_connections="20")
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(ingest.open()).sendall(part)
        for _ in range(5):
            assert ingest.post("/track", event())[0] == 200


def test_headers_that_begin_behind_a_request_have_no_more_time(start: Start) -> None:
    ingest = start(header_timeout="1 s")
    body = json.dumps(event()).encode()
    request = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with ingest.open() as slow, ingest.open() as patient:
        slow.settimeout(15)
        patient.settimeout(15)
        patient.sendall(request)
        assert b" 200 OK" in patient.recv(2000)
        slow.sendall(request + b"POST /track HT")
        answers = b""
        while piece := slow.recv(2000):
            answers += piece
        assert b" 200 OK" in answers
        assert b" 408 " in answers
        patient.sendall(request)
        assert b" 200 OK" in patient.recv(2000)
