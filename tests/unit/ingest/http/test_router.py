"""Which handler a request comes to."""

from __future__ import annotations

import json

import pytest

from etld.ingest.http.answers import HttpRefusal
from etld.ingest.http.connection import HttpConnection
from etld.ingest.http.request import HttpRequest
from etld.ingest.http.router import Router


def read(connection: HttpConnection, request: HttpRequest) -> None:
    """A handler."""


def write(connection: HttpConnection, request: HttpRequest) -> None:
    """Another one."""


OPTIONS: list[bytes] = []
ROUTER = Router(
    {"/v1/batch": {"POST": write}, "/healthz": {"GET": read}}, lambda connection, request, allow: OPTIONS.append(allow)
)


def request(method: str, path: str) -> HttpRequest:
    """A request without headers."""
    return HttpRequest(method, path, "1.1", {}, close=False)


@pytest.mark.parametrize(
    "path", ["/v1/batch", "//v1/batch", "/v1/batch/", "/v1//batch//", "/v1/batch?a=//", "/v1/batch/?a"]
)
def test_slashes_too_many_do_not_matter(path: str) -> None:
    asked = request("POST", path)
    assert ROUTER.find(asked) is write
    assert asked.path == "/v1/batch", "what the path stands for further on"


def test_head_is_served_as_get() -> None:
    assert ROUTER.find(request("HEAD", "/healthz")) is read


@pytest.mark.parametrize("path", ["/", "//", "/v1", "/v1/batc", "/V1/batch", "*", ""])
def test_an_unknown_path(path: str) -> None:
    with pytest.raises(HttpRefusal) as caught:
        ROUTER.find(request("POST", path))
    assert caught.value.answer.status == 404
    assert "/v1/batch, /healthz" in json.loads(caught.value.answer.body)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/batch", b"OPTIONS, POST"),
        ("HEAD", "/v1/batch", b"OPTIONS, POST"),
        ("PUT", "/healthz", b"GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allowed: bytes) -> None:
    with pytest.raises(HttpRefusal) as caught:
        ROUTER.find(request(method, path))
    assert caught.value.answer.status == 405
    assert caught.value.answer.headers == b"Allow: " + allowed + b"\r\n"


def test_options_are_answered_by_the_application_which_is_told_the_methods() -> None:
    ROUTER.find(request("OPTIONS", "/healthz"))(None, request("OPTIONS", "/healthz"))  # type: ignore[arg-type]
    assert OPTIONS == [b"Allow: GET, HEAD, OPTIONS\r\n"]
