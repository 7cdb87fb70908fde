"""One request of the control socket: what verbs raise, and what clients send by mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from etld.control import arguments, requests
from etld.control.verbs import Request, VerbError
from etld.errors import ConfigError, EtldError, Problem


def ask(request: object, verb: Callable[[Request], Any] = lambda request: {"got": request}) -> Any:
    """The answer of a daemon that knows one verb, "do"."""
    return requests.answer(json.dumps(request).encode(), {"do": verb})


def test_a_verb_gets_the_request() -> None:
    assert ask({"verb": "do", "x": 1}) == {"got": {"verb": "do", "x": 1}}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"[]", "bad_request"),
        (b'{"verb": 7}', "bad_request"),
        (b'{"verb": "fly"}', "unknown_verb"),
    ],
)
def test_what_is_no_request(line: bytes, code: str) -> None:
    answer = requests.answer(line, {"do": lambda _request: {}})
    assert isinstance(answer, dict)
    assert (answer["ok"], answer["error"]["code"]) == (False, code)


def raises(error: Exception) -> Callable[[Request], Any]:
    def verb(_request: Request) -> Any:
        raise error

    return verb


def test_what_a_verb_raises_is_an_answer() -> None:
    refused = ask({"verb": "do"}, raises(VerbError("busy", "not now", until=3)))
    assert refused == {"ok": False, "error": {"code": "busy", "message": "not now", "explain": "ETLD-S011", "until": 3}}
    failed = ask({"verb": "do"}, raises(EtldError("no room", code="ETLD-X003")))
    assert failed["error"] == {"code": "failed", "message": "no room", "explain": "ETLD-X003"}
    wrong = ask({"verb": "do"}, raises(ConfigError([Problem("a.b", 7, "is odd")], "etld.toml")))["error"]
    told = {"path": "a.b", "line": 7, "message": "is odd", "explain": "ETLD-C006"}
    assert (wrong["code"], wrong["problems"]) == ("config", [told])
    assert ask({"verb": "do"}, raises(KeyError("x")))["error"]["code"] == "internal"


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda r: arguments.text(r, "x"), "a", "a"),
        (lambda r: arguments.text(r, "x"), "", None),
        (lambda r: arguments.text(r, "x"), 7, None),
        (lambda r: arguments.number(r, "x", 0, 9), 9, 9),
        (lambda r: arguments.number(r, "x", 0, 9), 10, None),
        (lambda r: arguments.number(r, "x", 0, 9), True, None),
        (lambda r: arguments.flag(r, "x"), True, True),
        (lambda r: arguments.flag(r, "x"), 1, None),
        (lambda r: arguments.seconds(r, "x"), 1.5, 1.5),
        (lambda r: arguments.seconds(r, "x"), -1, None),
        (lambda r: arguments.seconds(r, "x"), float("nan"), None),
    ],
)
def test_arguments(read: Callable[[Request], Any], value: Any, expected: Any) -> None:
    """One of another type is the caller's error, and names the argument; None stands for that here."""
    if expected is not None:
        assert read({"x": value}) == expected
        return
    with pytest.raises(VerbError, match=r"^x: expected ") as error:
        read({"x": value})
    assert error.value.code == "bad_request"


def test_arguments_that_may_be_missing() -> None:
    assert (arguments.flag({}, "x"), arguments.seconds({}, "x")) == (False, None)
