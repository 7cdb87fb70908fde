"""What is told when a Superset cannot take the dashboards; a server of the test's own answers as one would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from etld.bi.superset.client import Superset, SupersetProblem
from etld.errors import UsageError

PATHS: dict[str, tuple[int, Any]] = {
    "/health": (200, "OK"),
    "/version": (200, {"version_string": "6.1.0"}),
    "/api/v1/security/login": (200, {"access_token": "a"}),
    "/api/v1/security/csrf_token/": (200, {"result": "c"}),
    "/api/v1/database/available/": (200, {"databases": [{"engine": "postgresql", "available_drivers": ["psycopg2"]}]}),
    "/api/v1/assets/import/": (200, {"message": "OK"}),
    "/login/": (200, '<script data-bootstrap="{&#34;CHART_PLUGINS_EXPERIMENTAL&#34;: true}">'),
}


class _Handler(BaseHTTPRequestHandler):
    """Answers by the path, and keeps what came."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.came.append((self.path, dict(self.headers), body))
        status, given = server.answers.get(self.path, (404, "<html><title>Not found</title></html>"))
        text = given if isinstance(given, str) else json.dumps(given)
        self.send_response(status)
        self.send_header("Set-Cookie", f"session=after-{self.path}; Path=/")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def answering(changes: dict[str, tuple[int, Any]]) -> Iterator[tuple[Superset, Any]]:
    """A server that differs from a Superset in some answers, and a session with it."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.answers, server.came = {**PATHS, **changes}, []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Superset(f"http://127.0.0.1:{server.server_port}/"), server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def imported(session: Superset) -> None:
    """All that an import takes."""
    session.log_in("ada", "pw")
    session.take(b"zip", "s3cret")


def test_an_import_goes_with_token_cookie_and_referer() -> None:
    """Those of one session; the password of the database beside the bundle, by the name of its file."""
    with answering({}) as (session, server):
        imported(session)
        assert session.shows_change()
    path, headers, body = next(one for one in server.came if one[0].endswith("/import/"))
    assert headers["Authorization"] == "Bearer a"
    assert headers["X-Csrftoken"] == "c"
    assert headers["Cookie"].startswith("session=after-")
    assert headers["Referer"].startswith("http://127.0.0.1:")
    assert b'{"databases/etld.yaml": "s3cret"}' in body
    assert b"\r\n\r\nzip\r\n" in body
    assert path in PATHS


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"/health": (404, "<html><title>Shop</title>")}, "is no Superset: it answers /health with 404 Shop"),
        ({"/version": (200, {"version_string": "3.1.1"})}, "is Superset 3.1.1, and the dashboards need 4.1 or newer"),
        (
            {"/api/v1/security/login": (401, {"message": "Not authorized"})},
            "does not let ada in: wrong name or password",
        ),
        ({"/api/v1/security/login": (500, "<html><title>Oops")}, "does not log in: it answers 500"),
        ({"/api/v1/security/csrf_token/": (404, "")}, "does not give a CSRF token"),
        (
            {"/api/v1/database/available/": (200, {"databases": [{"engine": "sqlite", "available_drivers": []}]})},
            "has no driver for PostgreSQL: install psycopg2-binary",
        ),
        ({"/api/v1/assets/import/": (403, "{}")}, "needs the role Admin"),
        (
            {"/api/v1/assets/import/": (422, '{"errors": [{"message": "Must provide a password for the database"}]}')},
            "--database-password-file",
        ),
        (
            {"/api/v1/assets/import/": (500, {"errors": [{"message": "Nope", "extra": {"x": "y"}}]})},
            'does not take the dashboards: it answers 500 Nope {"x": "y"}',
        ),
    ],
)
def test_a_refusal_is_told_with_its_reason(changes: dict[str, tuple[int, Any]], told: str) -> None:
    """In a line, with what to do where that is known."""
    with answering(changes) as (session, _), pytest.raises(SupersetProblem) as error:
        imported(session)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("superset.example", UsageError, "expected an address such as"),
        ("http://127.0.0.1:1", SupersetProblem, "cannot reach http://127.0.0.1:1"),
    ],
)
def test_nobody_there(url: str, kind: type[Exception], told: str) -> None:
    """Or no address at all."""
    make: Callable[[], None] = lambda: Superset(url).log_in("a", "b")  # noqa: E731
    with pytest.raises(kind, match=told):
        make()
