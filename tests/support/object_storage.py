"""S3 of a test's own, and trouble on the way to it."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable

import boto3
import duckdb
from moto.server import ThreadedMotoServer

_EXPECTS = re.compile(rb"(?i)\r\nexpect: *100-continue\r\n")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked\r\n")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n")


class ObjectStorage:
    """S3 as moto has it, in this process, with one bucket; what asks it can be disturbed on its way.

    `trouble`: "" or the status that each request is answered with ("500", "503"), "hang" or "cut" (half an answer).
    `look` is called with the first line of a request before it goes on to the server, and again (true) when that has
    done it, before its answer goes back.
    """

    def __init__(self) -> None:
        # It tells of every request.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._upstream = (host, int(port))
        self.trouble = ""
        self.troubled = 0
        self.look: Callable[[str, bool], None] = lambda _line, _done: None
        self._proxy = _Proxy(self)
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "word", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        client.create_bucket(Bucket="lake")

    @property
    def properties(self) -> dict[str, str]:
        """What pyiceberg is told, without secrets."""
        host, port = self._proxy.server_address[:2]
        return {"s3.endpoint": f"http://{host!s}:{port}", "s3.region": "us-east-1", "s3.access-key-id": "key"}

    def query(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let DuckDB read from it."""
        host, port = self._upstream
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID 'key', SECRET 'word', REGION 'us-east-1', ENDPOINT '{host}:{port}',"
            " URL_STYLE 'path', USE_SSL false)"
        )

    def close(self) -> None:
        """End it."""
        self.trouble = "500"
        self._proxy.shutdown()
        self._proxy.server_close()
        self._server.stop()

    def forward(self, request: socketserver.BaseRequestHandler) -> None:
        """One connection: each request goes on to the server, unless there is trouble."""
        with socket.create_connection(self._upstream, 10) as upstream:
            upstream.settimeout(30)
            while head := _head(request.request):
                if _EXPECTS.search(head):
                    request.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    head = _EXPECTS.sub(b"\r\n", head)
                body = _body(request.request, head)
                trouble = self.trouble
                if trouble:
                    self.troubled += 1
                if trouble.isdigit():
                    request.request.sendall(
                        f"HTTP/1.1 {trouble} Trouble\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                    )
                    return
                while self.trouble == "hang":
                    time.sleep(0.1)
                line = head.partition(b"\r\n")[0].decode()
                self.look(line, False)
                upstream.sendall(head + body)
                answer = _head(upstream)
                content = b"" if head.startswith(b"HEAD ") else _body(upstream, answer)
                self.look(line, True)
                if trouble == "cut":
                    request.request.sendall((answer + content)[: len(answer) + len(content) // 2])
                    return
                request.request.sendall(answer + content)


class _Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, storage: ObjectStorage) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    storage.forward(self)

        super().__init__(("127.0.0.1", 0), Handler)


def _head(source: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        byte = source.recv(1)
        if not byte:
            return b""
        found += byte
    return found


def _body(source: socket.socket, head: bytes) -> bytes:
    """What follows a head, in chunks or of a length that it tells."""
    if not _CHUNKED.search(head):
        found = _LENGTH.search(head)
        return _exactly(source, int(found[1])) if found else b""
    body = b""
    while True:
        line = _line(source)
        size = int(line.partition(b";")[0], 16)
        body += line + (_exactly(source, size + 2) if size else b"")
        if not size:
            break
    while (trailer := _line(source)) != b"\r\n":
        body += trailer
    return body + b"\r\n"


def _line(source: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\r\n"):
        found += _exactly(source, 1)
    return found


def _exactly(source: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        piece = source.recv(min(1 << 16, count - len(found)))
        if not piece:
            raise ConnectionResetError
        found += piece
    return bytes(found)
